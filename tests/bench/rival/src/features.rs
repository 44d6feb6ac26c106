//! Features of a leg, as `models/features` has them; those of other streams say that nothing is known.

use crate::ledgers::{AccountView, BANDS, CHANNELS, CHECKS, PURPOSES, PartyView, Payment, code, zeros};

const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 86_400.0;
const AGE_DAYS_MAX: f64 = 3.0;
const HOUR: usize = 0;
const DAY: usize = 1;
const WEEK: usize = 2;
const MONTH: usize = 3;

pub struct Known<'a> {
    pub paid: &'a Payment<'a>,
    pub value: f64,
    pub payer: &'a PartyView,
    pub account: &'a AccountView,
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}

/// Days, at most `AGE_DAYS_MAX`; what is not known stays so, which `f64::min` would not do.
fn days(age_s: f64) -> f64 {
    if age_s.is_nan() {
        age_s
    } else {
        (age_s / DAY_S).min(AGE_DAYS_MAX)
    }
}

/// One name for one value: the list of names, how many, and the function that fills a row in their order.
macro_rules! features {
    ($k:ident, $since:ident; $($name:ident: $value:expr,)*) => {
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
        pub const FEATURES: usize = NAMES.len();
        pub fn fill(row: &mut [f64; FEATURES], $k: &Known) {
            let $since = |then: i64| if then < 0 { f64::NAN } else { ($k.paid.accepted_at_us - then) as f64 / (HOUR_S * 1e6) };
            *row = [$($value),*];
        }
    };
}

features! { k, since_h;
    amount: k.value.max(1.0).log10(),
    roundness: zeros(k.paid.amount_minor),
    amount_to_largest: ratio(k.value, k.payer.largest),
    amount_to_usual: ratio(k.value * k.payer.count[MONTH], k.payer.value[MONTH]),
    balance_share: if k.paid.balance_after_minor < 0 { f64::NAN } else {
        k.paid.amount_minor as f64 / (k.paid.amount_minor as f64 + k.paid.balance_after_minor as f64)
    },
    account_open_d: since_h(k.paid.creditor_opened_at_us) / 24.0,
    account_age_d: days(k.account.age_s),
    in_gap_h: k.account.in_gap_s / HOUR_S,
    out_gap_h: k.account.out_gap_s / HOUR_S,
    counterparty_gap_h: k.account.counterparty_gap_s / HOUR_S,
    in_count_1h: k.account.in_count[HOUR],
    in_count_1d: k.account.in_count[DAY],
    in_count_7d: k.account.in_count[WEEK],
    in_count_30d: k.account.in_count[MONTH],
    out_count_1h: k.account.out_count[HOUR],
    out_count_1d: k.account.out_count[DAY],
    out_count_30d: k.account.out_count[MONTH],
    hour_of_day: k.paid.accepted_at_us as f64 / (HOUR_S * 1e6) % 24.0,
    channel: code(&CHANNELS, k.paid.channel),
    purpose: code(&PURPOSES, k.paid.purpose_code),
    age_band: if k.paid.age_band.is_empty() { f64::NAN } else { code(&BANDS, k.paid.age_band) },
    in_day_to_month: ratio(k.account.in_value[DAY], k.account.in_value[MONTH]),
    out_to_in_1d: ratio(k.account.out_value[DAY], k.account.in_value[DAY]),
    out_to_in_7d: ratio(k.account.out_value[WEEK], k.account.in_value[WEEK]),
    out_to_in_30d: ratio(k.account.out_value[MONTH], k.account.in_value[MONTH]),
    amount_to_in_1h: ratio(k.value, k.account.in_value[HOUR]),
    amount_to_in_1d: ratio(k.value, k.account.in_value[DAY]),
    amount_to_largest_in: ratio(k.value, k.account.largest_in),
    amount_to_mean_in: ratio(k.value * k.account.in_count[MONTH], k.account.in_value[MONTH]),
    risky_share_1d: ratio(k.account.risky_value[DAY], k.account.in_value[DAY]),
    risky_share_7d: ratio(k.account.risky_value[WEEK], k.account.in_value[WEEK]),
    risky_share_30d: ratio(k.account.risky_value[MONTH], k.account.in_value[MONTH]),
    risky_out_share_1d: ratio(k.account.risky_out_value[DAY], k.account.out_value[DAY]),
    risky_out_share_30d: ratio(k.account.risky_out_value[MONTH], k.account.out_value[MONTH]),
    remote_control: k.paid.remote_control as u8 as f64,
    screen_share: k.paid.screen_share as u8 as f64,
    call_in_progress: k.paid.call_in_progress as u8 as f64,
    new_device_h: if k.paid.new_device_age_h < 0 { f64::NAN } else { k.paid.new_device_age_h as f64 },
    limit_raised_h: since_h(k.paid.limit_changed_at_us),
    payee_age_h: since_h(k.paid.payee_added_at_us),
    payee_gap_h: k.payer.payee_gap_s / HOUR_S,
    payee_paid: k.payer.payee_paid,
    payee_check: code(&CHECKS, k.paid.payee_check),
    payer_age_d: days(k.payer.age_s),
    payer_gap_h: k.payer.gap_s / HOUR_S,
    payer_count_1h: k.payer.count[HOUR],
    payer_count_1d: k.payer.count[DAY],
    payer_count_30d: k.payer.count[MONTH],
    payer_hour_to_month: ratio(k.payer.value[HOUR], k.payer.value[MONTH]),
    payer_day_to_month: ratio(k.payer.value[DAY], k.payer.value[MONTH]),
    payer_payees_1d: k.payer.payees_1d,
    payer_suspected_1h: k.payer.suspected[HOUR],
    payer_suspected_1d: k.payer.suspected[DAY],
    payer_suspected_7d: k.payer.suspected[WEEK],
    payers_1d: k.account.payers_1d,
    payers_7d: k.account.payers_7d,
    payees_1d: k.account.payees_1d,
    strange_callers_1d: 0.0,
    account_scam_h: f64::NAN,
    account_scams_7d: 0.0,
    account_scams_30d: 0.0,
    account_cleared_30d: 0.0,
    pair_scam_h: f64::NAN,
    pair_cleared_h: f64::NAN,
    payer_deceived_h: f64::NAN,
    payer_deceived_30d: 0.0,
}
