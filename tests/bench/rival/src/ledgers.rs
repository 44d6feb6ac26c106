//! What is kept of paying parties and of accounts, as `models/ledgers` has it, and how a payment looks.

use serde::Deserialize;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

const NEVER: i64 = i64::MIN;
pub const DAY_US: i64 = 86_400_000_000;
const HOUR_US: f64 = 3_600_000_000.0;
const HORIZONS_S: [f64; 4] = [3_600.0, 86_400.0, 604_800.0, 2_592_000.0];

/// A payment, as far as features look at it.
#[derive(Deserialize)]
pub struct Payment<'a> {
    pub txn_id: &'a str,
    pub accepted_at_us: i64,
    pub amount_minor: i64,
    pub currency: &'a str,
    pub debtor: &'a str,
    pub debtor_account: &'a str,
    pub creditor_account: &'a str,
    #[serde(default)]
    pub channel: &'a str,
    #[serde(default)]
    pub payee_check: &'a str,
    #[serde(default)]
    pub purpose_code: &'a str,
    #[serde(default)]
    pub age_band: &'a str,
    #[serde(default = "unknown")]
    pub balance_after_minor: i64,
    #[serde(default = "unknown")]
    pub payee_added_at_us: i64,
    #[serde(default = "unknown")]
    pub creditor_opened_at_us: i64,
    #[serde(default = "unknown")]
    pub limit_changed_at_us: i64,
    #[serde(default = "unknown")]
    pub new_device_age_h: i64,
    #[serde(default)]
    pub remote_control: bool,
    #[serde(default)]
    pub screen_share: bool,
    #[serde(default)]
    pub call_in_progress: bool,
}

fn unknown() -> i64 {
    -1
}

pub const CHANNELS: [&str; 8] = ["OTHER", "MOBILE", "WEB", "COUNTER", "ATM", "POS", "QR", "API"];
pub const CHECKS: [&str; 4] = ["UNAVAILABLE", "MATCH", "CLOSE", "NO_MATCH"];
pub const BANDS: [&str; 6] = ["", "U18", "18-25", "26-40", "41-60", "60+"];
pub const PURPOSES: [&str; 9] = ["", "SALA", "SUPP", "GDDS", "LOAN", "INVS", "FAMI", "RENT", "OTHR"];

/// The place of a word in its list, 0 if it is not there.
pub fn code(words: &[&str], word: &str) -> f64 {
    words.iter().position(|each| *each == word).unwrap_or(0) as f64
}

/// 26 letters of base32 as a number; they are a keyed hash already, so a table takes them as they are.
pub fn token(letters: &str) -> u128 {
    let value = |letter: u8| if letter >= b'a' { letter - b'a' } else { letter - b'2' + 26 } as u128;
    let (last, others) = letters.as_bytes().split_last().expect("letters");
    others.iter().fold(0, |sum, letter| sum << 5 | value(*letter)) << 3 | value(*last) >> 2
}

#[derive(Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!()
    }
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

pub type Table<Row> = HashMap<u128, Row, BuildHasherDefault<AsItIs>>;
pub type Parties = Table<Party>;
pub type Accounts = Table<Account>;

fn seconds(now: i64, then: i64) -> f64 {
    if then == NEVER {
        f64::NAN
    } else {
        (now - then).max(0) as f64 / 1e6
    }
}

fn fades(now: i64, then: i64) -> [f64; 4] {
    if then == NEVER || now <= then {
        return [1.0; 4];
    }
    let elapsed_s = (now - then) as f64 / 1e6;
    HORIZONS_S.map(|horizon| (-elapsed_s / horizon).exp())
}

/// What is left of sums, and the sums with one more: `fade` until now, `late` for a payment before the newest.
fn sum(kept: &mut [f64; 4], fade: &[f64; 4], late: &[f64; 4], added: f64) -> [f64; 4] {
    let shown: [f64; 4] = std::array::from_fn(|h| kept[h] * fade[h]);
    *kept = std::array::from_fn(|h| shown[h] + late[h] * added);
    shown
}

fn distinct<const N: usize>(newest: &[i64; N], since: i64) -> f64 {
    let active = newest.iter().filter(|at| **at >= since).count() as f64;
    let size = N as f64;
    -size * (-active.min(size - 0.5) / size).ln_1p()
}

pub struct Party {
    first: i64,
    last: i64,
    count: [f64; 4],
    value: [f64; 4],
    largest: f64,
    newest: [i64; 32],
    paid: [u64; 16],
    suspected: [f32; 3],
}

impl Default for Party {
    fn default() -> Self {
        Party {
            first: NEVER,
            last: NEVER,
            count: [0.0; 4],
            value: [0.0; 4],
            largest: 0.0,
            newest: [NEVER; 32],
            paid: [0; 16],
            suspected: [0.0; 3],
        }
    }
}

/// What was known of a payer just before a payment.
pub struct PartyView {
    pub age_s: f64,
    pub gap_s: f64,
    pub count: [f64; 4],
    pub value: [f64; 4],
    pub largest: f64,
    pub payee_gap_s: f64,
    pub payees_1d: f64,
    pub payee_paid: f64,
    pub suspected: [f64; 3],
}

impl Party {
    pub fn see(&mut self, now: i64, value: f64, payee: u64, look: f64) -> PartyView {
        let (fade, late) = (fades(now, self.last), fades(self.last, now));
        let bits =
            [34, 44, 54].map(|shift| (payee.wrapping_mul(0x9E3779B97F4A7C15) >> shift) as usize & 1023);
        let known = bits.iter().all(|bit| self.paid[bit >> 6] >> (bit & 63) & 1 == 1);
        let bucket = (payee % 32) as usize;
        let suspected: [f64; 3] = std::array::from_fn(|place| self.suspected[place] as f64 * fade[place]);
        let view = PartyView {
            age_s: seconds(now, self.first),
            gap_s: seconds(now, self.last),
            count: sum(&mut self.count, &fade, &late, 1.0),
            value: sum(&mut self.value, &fade, &late, value),
            largest: self.largest,
            payee_gap_s: seconds(now, self.newest[bucket]),
            payees_1d: distinct(&self.newest, now - DAY_US),
            payee_paid: known as u8 as f64,
            suspected,
        };
        for place in 0..3 {
            self.suspected[place] = (suspected[place] + late[place] * look) as f32;
        }
        for bit in bits {
            self.paid[bit >> 6] |= 1 << (bit & 63);
        }
        self.largest = self.largest.max(value);
        self.first = if self.first == NEVER {
            now
        } else {
            self.first.min(now)
        };
        self.last = self.last.max(now);
        self.newest[bucket] = self.newest[bucket].max(now);
        view
    }
}

/// Sums of an account: credits, debits, the risky of either.
#[derive(Default)]
struct Sums {
    in_count: [f64; 4],
    in_value: [f64; 4],
    out_count: [f64; 4],
    out_value: [f64; 4],
    risky_value: [f64; 4],
    risky_out_value: [f64; 4],
}

pub struct Account {
    first: i64,
    last: i64,
    last_in: i64,
    last_out: i64,
    sums: Sums,
    largest_in: f64,
    payers: [i64; 16],
    payees: [i64; 16],
}

impl Default for Account {
    fn default() -> Self {
        Account {
            first: NEVER,
            last: NEVER,
            last_in: NEVER,
            last_out: NEVER,
            sums: Sums::default(),
            largest_in: 0.0,
            payers: [NEVER; 16],
            payees: [NEVER; 16],
        }
    }
}

/// What was known of an account just before a leg.
pub struct AccountView {
    pub age_s: f64,
    pub in_gap_s: f64,
    pub out_gap_s: f64,
    pub in_count: [f64; 4],
    pub in_value: [f64; 4],
    pub out_count: [f64; 4],
    pub out_value: [f64; 4],
    pub risky_value: [f64; 4],
    pub risky_out_value: [f64; 4],
    pub largest_in: f64,
    pub counterparty_gap_s: f64,
    pub payers_1d: f64,
    pub payers_7d: f64,
    pub payees_1d: f64,
}

impl Account {
    pub fn see(&mut self, now: i64, value: f64, other: u64, credit: bool, risky: bool) -> AccountView {
        let (fade, late) = (fades(now, self.last), fades(self.last, now));
        let (of_in, of_out) = (credit as u8 as f64, !credit as u8 as f64);
        let risky = risky as u8 as f64 * value;
        let bucket = (other % 16) as usize;
        let seen = if credit { &self.payers } else { &self.payees };
        let counterparty_gap_s = seconds(now, seen[bucket]);
        let sums = &mut self.sums;
        let view = AccountView {
            age_s: seconds(now, self.first),
            in_gap_s: seconds(now, self.last_in),
            out_gap_s: seconds(now, self.last_out),
            in_count: sum(&mut sums.in_count, &fade, &late, of_in),
            in_value: sum(&mut sums.in_value, &fade, &late, of_in * value),
            out_count: sum(&mut sums.out_count, &fade, &late, of_out),
            out_value: sum(&mut sums.out_value, &fade, &late, of_out * value),
            risky_value: sum(&mut sums.risky_value, &fade, &late, of_in * risky),
            risky_out_value: sum(&mut sums.risky_out_value, &fade, &late, of_out * risky),
            largest_in: self.largest_in,
            counterparty_gap_s,
            payers_1d: distinct(&self.payers, now - DAY_US),
            payers_7d: distinct(&self.payers, now - 7 * DAY_US),
            payees_1d: distinct(&self.payees, now - DAY_US),
        };
        self.first = if self.first == NEVER {
            now
        } else {
            self.first.min(now)
        };
        self.last = self.last.max(now);
        if credit {
            self.last_in = self.last_in.max(now);
            self.largest_in = self.largest_in.max(value);
            self.payers[bucket] = self.payers[bucket].max(now);
        } else {
            self.last_out = self.last_out.max(now);
            self.payees[bucket] = self.payees[bucket].max(now);
        }
        view
    }
}

/// Points of a value at most the first edge, at most the second, …; and if it is not known.
#[derive(Deserialize)]
pub struct Scale {
    edges: Vec<f64>,
    points: Vec<f64>,
    unknown: f64,
}

impl Scale {
    fn of(&self, value: f64) -> f64 {
        if value.is_nan() {
            self.unknown
        } else {
            self.points[self.edges.partition_point(|edge| *edge < value)]
        }
    }
}

/// `models.ledgers.suspicion`; its signals are not seen, seen.
#[derive(Deserialize)]
pub struct Card {
    intercept: f64,
    amount: Scale,
    roundness: Scale,
    channel: Scale,
    balance_share: Scale,
    payee_age_h: Scale,
    payee_check: Scale,
    new_device_h: Scale,
    limit_raised_h: Scale,
    remote: [f64; 2],
    screen: [f64; 2],
    call: [f64; 2],
}

impl Card {
    pub fn look(&self, paid: &Payment, value: f64) -> f64 {
        let minor = paid.amount_minor;
        let hours = |then: i64| {
            if then < 0 {
                f64::NAN
            } else {
                (paid.accepted_at_us - then) as f64 / HOUR_US
            }
        };
        let after = paid.balance_after_minor;
        let share = if after < 0 {
            f64::NAN
        } else {
            minor as f64 / (minor + after).max(1) as f64
        };
        let device = if paid.new_device_age_h < 0 {
            f64::NAN
        } else {
            paid.new_device_age_h as f64
        };
        let odds = self.intercept
            + self.amount.of(value.max(1.0).log10())
            + self.roundness.of(zeros(minor))
            + self.channel.of(code(&CHANNELS, paid.channel))
            + self.balance_share.of(share)
            + self.payee_age_h.of(hours(paid.payee_added_at_us))
            + self.payee_check.of(code(&CHECKS, paid.payee_check))
            + self.new_device_h.of(device)
            + self.limit_raised_h.of(hours(paid.limit_changed_at_us))
            + self.remote[paid.remote_control as usize]
            + self.screen[paid.screen_share as usize]
            + self.call[paid.call_in_progress as usize];
        1.0 / (1.0 + (-odds).exp())
    }
}

/// Trailing zeros of the major units of an amount, at most four.
pub fn zeros(minor: i64) -> f64 {
    [1_000, 10_000, 100_000, 1_000_000]
        .iter()
        .filter(|unit| minor % *unit == 0)
        .count() as f64
}
