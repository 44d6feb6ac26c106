//! Payments scored by a small native program: our features and trees, and a weaker promise.
//!
//! One thread, ledgers in memory only, no restart, no clock or contract looked at, no other stream, no
//! reasons, warnings, dead letters or decision log. `rival SETUP` reads topic `payments` and prints how far it
//! is twenty times a second; `rival SETUP check` prints what it makes of messages from stdin instead.

mod features;
mod ledgers;
mod trees;

use features::{FEATURES, Known, fill};
use ledgers::{Accounts, Card, DAY_US, Parties, Payment, token};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::BufRead;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use trees::{BLOCK, Trees};

const SAMPLE: Duration = Duration::from_millis(50);
/// Payments are scored when a block is full, or when none came for so long.
const LINGER: Duration = Duration::from_millis(5);
const REMEMBERS_S: f64 = 3.0 * 86_400.0;

/// What Python says: by partition where the history ends, the least score of an alert by leg, the rates.
#[derive(Deserialize)]
struct Setup {
    brokers: String,
    ends: Vec<i64>,
    bundle: PathBuf,
    least: HashMap<String, f64>,
    rates: HashMap<String, f64>,
    card: Card,
}

struct Job {
    rates: HashMap<String, f64>,
    card: Card,
    parties: Parties,
    accounts: Accounts,
}

impl Job {
    /// Add a payment to the ledgers; return the features of its debit and of its credit leg, if asked.
    fn take(&mut self, paid: &Payment, asked: bool) -> Option<[[f64; FEATURES]; 2]> {
        let value = paid.amount_minor as f64 * self.rates[paid.currency];
        let (from, to) = (token(paid.debtor_account), token(paid.creditor_account));
        let look = self.card.look(paid, value);
        let payer = self.parties.entry(token(paid.debtor)).or_default().see(
            paid.accepted_at_us,
            value,
            to as u64,
            look,
        );
        let new = if paid.payee_added_at_us >= 0 {
            paid.accepted_at_us - paid.payee_added_at_us < DAY_US
        } else {
            payer.payee_paid == 0.0 && payer.age_s >= REMEMBERS_S
        };
        let risky = new || paid.remote_control || paid.screen_share || paid.call_in_progress;
        let mut legs = [[0.0; FEATURES]; 2];
        for (leg, own, other) in [(0, from, to), (1, to, from)] {
            let row = self.accounts.entry(own).or_default();
            let account = row.see(paid.accepted_at_us, value, other as u64, leg == 1, risky);
            if asked {
                fill(
                    &mut legs[leg],
                    &Known {
                        paid,
                        value,
                        payer: &payer,
                        account: &account,
                    },
                );
            }
        }
        asked.then_some(legs)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&arguments[1]).expect("the setup");
    let setup: Setup = serde_json::from_str(&text).expect("a setup");
    let models = ["debit", "credit"].map(|leg| Trees::load(&setup.bundle, leg));
    let least = ["debit", "credit"].map(|leg| setup.least[leg]);
    let job = Job {
        rates: setup.rates,
        card: setup.card,
        parties: Parties::default(),
        accounts: Accounts::default(),
    };
    if arguments.get(2).is_some_and(|asked| asked == "check") {
        check(job, &models);
    } else {
        run(job, &models, least, &setup.brokers, &setup.ends);
    }
}

/// Print of each message on stdin the features and the score of its debit and of its credit leg.
fn check(mut job: Job, models: &[Trees; 2]) {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let paid: Payment = serde_json::from_str(&line).expect("a payment");
        let legs = job.take(&paid, true).expect("features");
        let score = |leg: usize| models[leg].scores(&legs[leg..leg + 1])[0];
        let told: Vec<_> = (0..2)
            .map(|leg| (models[leg].named(&legs[leg]), score(leg)))
            .collect();
        println!("{}", serde_json::to_string(&told).expect("JSON"));
    }
}

/// Payments that wait to be scored together: who they are, and of both kinds of legs the features.
#[derive(Default)]
struct Waiting {
    named: Vec<[String; 3]>,
    legs: [Vec<[f64; FEATURES]>; 2],
}

fn run(mut job: Job, models: &[Trees; 2], least: [f64; 2], brokers: &str, ends: &[i64]) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "rival")
        .set("enable.auto.commit", "false")
        // of 5 ms, 50 ms and the default of a second it is the fastest with this
        .set("fetch.queue.backoff.ms", "50")
        .create()
        .expect("a consumer");
    let mut assigned = TopicPartitionList::new();
    for partition in 0..ends.len() as i32 {
        assigned
            .add_partition_offset("payments", partition, Offset::Beginning)
            .expect("a partition");
    }
    consumer.assign(&assigned).expect("an assignment");
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "5")
        .create()
        .expect("a producer");
    let (mut observed, mut decided, mut alerts, mut told) = (0u64, 0u64, 0u64, Instant::now());
    let mut waiting = Waiting::default();
    loop {
        if told.elapsed() >= SAMPLE {
            println!("{{\"observed\":{observed},\"decided\":{decided},\"alerts\":{alerts}}}");
            told = Instant::now();
        }
        let message = consumer.poll(if waiting.named.is_empty() { SAMPLE } else { LINGER });
        if waiting.named.len() == BLOCK || message.is_none() && !waiting.named.is_empty() {
            decided += waiting.named.len() as u64;
            for (leg, name) in ["DEBIT", "CREDIT"].into_iter().enumerate() {
                let scores = models[leg].scores(&waiting.legs[leg]);
                for (score, [id, debtor, creditor]) in scores.iter().zip(&waiting.named) {
                    if *score >= least[leg] {
                        alerts += 1;
                        let alert = format!("{{\"txn_id\":\"{id}\",\"leg\":\"{name}\",\"score\":{score}}}");
                        let key = if leg == 1 { creditor } else { debtor };
                        producer
                            .send(BaseRecord::to("alerts").key(key).payload(&alert))
                            .expect("room");
                    }
                }
                waiting.legs[leg].clear();
            }
            waiting.named.clear();
        }
        let Some(message) = message else { continue };
        let message = message.expect("a message");
        let Ok(paid) = serde_json::from_slice::<Payment>(message.payload().unwrap_or_default()) else {
            continue;
        };
        observed += 1;
        let asked = message.offset() >= ends[message.partition() as usize];
        let Some([debit, credit]) = job.take(&paid, asked) else {
            continue;
        };
        waiting
            .named
            .push([paid.txn_id, paid.debtor_account, paid.creditor_account].map(str::to_owned));
        waiting.legs[0].push(debit);
        waiting.legs[1].push(credit);
    }
}
