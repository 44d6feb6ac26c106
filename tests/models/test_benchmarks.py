"""The public data are not shipped: tests that read them are skipped where they are absent."""

import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from models.benchmarks import __main__ as command
from models.benchmarks import amlsim, fdh, fdh_beliefs, s_ffsd, sichuan
from models.benchmarks.fdh_world import Payments, day_number, generate, read
from models.benchmarks.report import Benchmark, Figures, Speed
from schemas.errors import ConfigError

DATA = command.data_folder()


def needs(name):
    missing = not list(DATA.glob(name))
    return pytest.mark.skipif(missing, reason=f"no {name} in {DATA}; set STOPLINE_DATA to the public data")


@pytest.fixture(scope="module")
def published():
    return read(next(DATA.glob("fdh_*.parquet")))


def some_payments(rows=4_000, days=60, seed=0) -> Payments:
    draw = np.random.default_rng(seed)
    second = np.sort(draw.integers(0, days * 86_400, rows))
    fraud = (draw.random(rows) < 0.05).astype(int)
    return Payments(
        second,
        draw.integers(0, 40, rows),
        draw.integers(0, 40, rows),
        draw.gamma(2, 20, rows),
        fraud,
        fraud * 2,
    )


@pytest.mark.slow
@needs("fdh_*.parquet")
def test_our_fdh_world_equals_the_published_data_bit_for_bit(published):
    ours = generate()

    assert len(ours) == 1_754_155
    assert ours.fraud.sum() == 14_681
    for field in fields(published):
        expected = getattr(published, field.name)
        np.testing.assert_array_equal(
            getattr(ours, field.name)[: len(expected)], expected, err_msg=field.name
        )


@pytest.mark.slow
@needs("fdh_*.parquet")
def test_logistic_regression_and_forest_of_the_published_week_are_reproduced_to_three_decimals(published):
    features = fdh.book_features(published)
    start = day_number(fdh.TEST_WEEK)
    train, test = fdh.split(published, start, train_days=fdh.BOOK_TRAIN_DAYS)
    assert (train.sum(), published.fraud[train].sum()) == (67_240, 598)
    assert (test.sum(), published.fraud[test].sum()) == (58_264, 385)

    measured = fdh.book_models(published, np.column_stack(list(features.values())), train, test)

    assert rounded(measured["logistic regression"]) == (0.870, 0.605, 0.291)
    assert rounded(measured["random forest"]) == (0.867, 0.658, 0.287)


def rounded(figures: Figures):
    return round(figures.auc, 3), round(figures.ap, 3), round(figures.cp100, 3)


@pytest.mark.parametrize("build", [fdh.book_features, fdh.streaming_features])
def test_fdh_features_know_neither_later_payments_nor_labels_within_the_delay(build):
    payments = some_payments()
    cut = 3_000
    now = payments.second[cut - 1]
    unknown = payments.second > now - fdh.DELAY_DAYS * 86_400
    assert unknown[:cut].any()

    whole = build(payments)
    past = build(payments[:cut])
    relabelled = build(replace(payments, fraud=np.where(unknown, 1 - payments.fraud, payments.fraud)))

    for name, values in whole.items():
        np.testing.assert_allclose(values[:cut], past[name], atol=1e-6, err_msg=name)
        np.testing.assert_allclose(values[cut - 1], relabelled[name][cut - 1], rtol=1e-9, err_msg=name)


def one_a_day(fraud, amount=None) -> Payments:
    """Payments of one card at one terminal, one a day at noon."""
    fraud = np.array(fraud)
    amount = np.full(len(fraud), 10.0) if amount is None else np.array(amount, float)
    same = np.zeros(len(fraud), np.int64)
    return Payments(np.arange(len(fraud)) * 86_400 + 43_200, same, same, amount, fraud, fraud * 2)


def test_a_terminal_is_believed_taken_over_from_the_first_known_fraud_to_the_end_of_its_28_days():
    payments = one_a_day([0] * 20 + [1] * 28 + [0] * 20)

    shown, unseen = fdh_beliefs.taken_terminal(payments, np.full(len(payments), 1e-5), delay=7)

    # The fraud of day 20 is known on day 27. It follows a good payment, so day 20 is the first of 28.
    assert shown[26] == 0
    assert shown[27:48] == pytest.approx(1, abs=0.06)
    assert shown[48:] == pytest.approx(0)
    assert unseen[26] == 7 and unseen[40] == 21


def test_a_fraud_that_a_stolen_card_explains_does_not_point_to_the_terminal():
    payments = one_a_day([0] * 20 + [1] + [0] * 20)
    row = 27

    believed = [
        fdh_beliefs.taken_terminal(payments, np.full(len(payments), explained), delay=7)[0][row]
        for explained in (1e-5, 1e-2, 0.5)
    ]

    assert believed[0] > 0.9 and 0 < believed[1] < 0.1 and believed[2] == 0


def test_a_card_that_pays_five_times_the_usual_is_believed_stolen_and_its_next_payments_with_it():
    usual = [9, 11, 8, 12, 10, 9, 13, 10, 7, 11] * 3
    payments = one_a_day([0] * 35, [*usual, 20, 50, 20, 55, 20])

    believed = fdh_beliefs.stolen_card(payments, fdh_beliefs.amount_over_usual(payments), delay=7)

    assert believed[:30].max() < 0.01
    assert believed[31] > 0.9 and believed[33] > 0.99
    assert believed[30] < believed[32] < believed[31]


def test_a_card_known_to_be_compromised_leaves_the_fdh_test():
    days = np.array([20, 20, 29, 30, 37, 37, 38, 38])
    cards = np.array([1, 2, 3, 3, 1, 2, 3, 4])
    fraud = np.array([1, 0, 0, 1, 0, 0, 0, 0])
    payments = Payments(days * 86_400, cards, cards, np.ones(8), fraud, fraud)

    _, test = fdh.split(payments, 34, train_days=7)

    # Card 1 was defrauded in the last training week, card 3 eight days before its payment on day 38.
    assert [(days[row], cards[row]) for row in np.flatnonzero(test)] == [(37, 2), (38, 4)]


@needs("s_ffsd.parquet")
def test_s_ffsd_features_read_neither_labels_nor_later_payments():
    table = pd.read_parquet(DATA / "s_ffsd.parquet")[:6_000]
    whole = s_ffsd.streaming_features(table)
    past = s_ffsd.streaming_features(table[:4_000].assign(Labels=0))

    for name, values in whole.items():
        np.testing.assert_allclose(values[:4_000], past[name], rtol=1e-3, atol=1e-2, err_msg=name)


@needs("sichuan_telecom.parquet")
def test_sichuan_features_do_not_hold_the_label():
    table = pd.read_parquet(DATA / "sichuan_telecom.parquet")[:500]

    np.testing.assert_array_equal(
        sichuan.subscriber_features(table), sichuan.subscriber_features(table.assign(label=0))
    )


def some_accounts(accounts=300, payments=3_000) -> amlsim.Sample:
    draw = np.random.default_rng(1)
    payer, payee = draw.integers(0, accounts, (2, payments))
    amount, day = draw.integers(1_000, 60_000, payments), np.sort(draw.integers(0, 60, payments))
    return amlsim.Sample(payer, payee, amount, day, draw.random(accounts) < 0.2)


def test_an_accounts_own_label_is_no_feature_of_it_nor_is_any_label_not_known():
    sample = some_accounts()
    known = np.arange(300) < 200
    for account in (5, 250):
        turned = sample.launders.copy()
        turned[account] = ~turned[account]
        before, after = (amlsim.findings(each, known) for each in (sample, sample._replace(launders=turned)))
        np.testing.assert_array_equal(before[account], after[account])
        assert (before == after).all() == (account == 250)
    np.testing.assert_array_equal(
        amlsim.account_features(sample), amlsim.account_features(sample._replace(launders=~sample.launders))
    )


def test_what_passes_through_an_account_unchanged_is_counted():
    payer, payee = np.array([0, 1, 2, 4]), np.array([1, 2, 0, 5])
    sample = amlsim.Sample(payer, payee, np.array([700, 700, 700, 700]), np.arange(4), np.zeros(6, bool))

    names = amlsim.passed(sample)
    assert names[0].tolist() == [1, 1, 1, 0, 0, 0]
    assert amlsim.account_features(sample).shape[0] == 6


@pytest.mark.parametrize("run", [fdh.run, fdh.training, s_ffsd.run, sichuan.run, amlsim.run])
def test_absent_data_are_named_with_the_next_step(tmp_path, run):
    with pytest.raises(ConfigError, match=r"set STOPLINE_DATA"):
        run(tmp_path)


def test_figures_are_written_by_key_and_other_keys_stay(tmp_path):
    output = tmp_path / "bench" / "benchmarks.json"
    for key, figures in (("a", Figures(0.9, 0.8, 0.3)), ("b", Figures(0.7, 0.6)), ("c", Speed(5, 1.5))):
        command.write([Benchmark(key, key, (), figures, "")], output)

    assert json.loads(output.read_text()) == {
        "a": {"auc": 0.9, "ap": 0.8, "cp100": 0.3},
        "b": {"auc": 0.7, "ap": 0.6},
        "c": {"rows": 5, "processor_s": 1.5},
    }
