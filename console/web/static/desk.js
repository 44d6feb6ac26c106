// Live updates that never move what is under the hand, and keys: j and k, Enter, r, n.
(() => {
  const live = document.getElementById("live");
  const target = document.getElementById("queue") || document.getElementById("case");
  const only = live && live.dataset.only;
  let waiting = false, timer = 0;

  const busy = () => {
    const held = target && (target.matches(":hover") || target.contains(document.activeElement));
    const typing = document.activeElement && /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    return typing || (held && !only && Date.now() - moved < 4000) || (only && typing);
  };
  let moved = 0;
  document.addEventListener("pointermove", () => { moved = Date.now(); }, { passive: true });
  document.addEventListener("keydown", () => { moved = Date.now(); });

  // Rows that come in above push nothing away from under the eyes: what has the focus stays at its place.
  let eyes = null;
  document.addEventListener("htmx:before:swap", () => {
    const row = window.scrollY > 0 && document.activeElement && document.activeElement.closest("tr[data-case]");
    eyes = row && { id: row.id, top: row.getBoundingClientRect().top };
  });
  document.addEventListener("htmx:after:swap", () => {
    const row = eyes && document.getElementById(eyes.id);
    if (row) window.scrollBy(0, row.getBoundingClientRect().top - eyes.top);
    eyes = null;
  });

  const refresh = () => { waiting = false; if (target) htmx.trigger(target, "refresh"); };
  const soon = () => {
    clearTimeout(timer);
    if (!busy()) { refresh(); return; }
    const sign = document.getElementById("fresh");
    if (sign) sign.hidden = false;
    timer = setTimeout(() => { if (waiting) soon(); }, 1000);
  };
  if (live) live.addEventListener("cases", (event) => {
    const changed = JSON.parse(event.detail.data || "{}").cases || [];
    window.deskSeen = (window.deskSeen || []).concat(changed);
    if (only && !changed.includes(only)) return;
    waiting = true;
    soon();
  });

  const rows = () => [...document.querySelectorAll("tr[data-case]")];
  const link = (row) => row && row.querySelector("a");
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-refresh]")) { refresh(); return; }
    const row = event.target.closest("tr[data-case]");
    if (row && !event.target.closest("a, button")) link(row).click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const all = rows(), here = all.findIndex((row) => row.contains(document.activeElement));
    const go = { j: here + 1, k: here - 1 }[event.key];
    if (go !== undefined && all.length) {
      event.preventDefault();
      link(all[Math.max(0, Math.min(go, all.length - 1))]).focus();
    } else if (event.key === "r") { refresh(); }
    else if (event.key === "n") { const first = document.querySelector("[data-first]"); if (first) first.click(); }
  });
  // Clocks run on between two looks: once half a minute everything is asked again.
  if (target) setInterval(() => { if (!busy() && !document.hidden) refresh(); }, 30000);
})();
