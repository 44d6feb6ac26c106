//! A bundle's boosted trees, evaluated as `models/scoring/trees.py` does it: QuickScorer over blocks of rows.

use crate::features::{FEATURES, NAMES};
use serde_json::Value;
use std::path::Path;

pub const BLOCK: usize = 512;
const ALL: u16 = u16::MAX;
/// A missing value that goes right exceeds every threshold.
const RIGHT: u8 = u8::MAX;

/// A row that exceeds more than `least` thresholds of the column goes right, and keeps only some leaves.
struct Split {
    column: usize,
    least: u8,
    keep: u16,
}

struct Tree {
    splits: Vec<Split>,
    leaves: [f64; 16],
}

pub struct Trees {
    trees: Vec<Tree>,
    limits: Vec<Vec<f64>>,
    columns: Vec<usize>,
    baseline: f64,
}

/// Splits as feature, threshold, whether missing values go right, leaves kept then.
type Flat = Vec<(usize, f64, bool, u16)>;

impl Trees {
    pub fn load(bundle: &Path, leg: &str) -> Self {
        let read = |file: &str| -> Value {
            let text = std::fs::read_to_string(bundle.join(file)).expect("a file of the bundle");
            serde_json::from_str::<Value>(&text).expect("JSON")[leg].take()
        };
        let order: Vec<String> = read("features.json")
            .as_object()
            .expect("names")
            .keys()
            .cloned()
            .collect();
        let place = |name: &String| NAMES.iter().position(|each| each == name).expect("a feature");
        let columns: Vec<usize> = order.iter().map(place).collect();
        let model = read("trees.json");
        let flat: Vec<(Flat, Vec<f64>)> = model["trees"]
            .as_array()
            .expect("trees")
            .iter()
            .map(flatten)
            .collect();
        let mut limits: Vec<Vec<f64>> = vec![vec![]; columns.len()];
        for (feature, threshold, ..) in flat.iter().flat_map(|(splits, _)| splits) {
            limits[*feature].push(*threshold);
        }
        for each in &mut limits {
            each.sort_by(f64::total_cmp);
            each.dedup();
            assert!(each.len() <= RIGHT as usize);
        }
        let split = |(feature, threshold, nan_right, keep): &(usize, f64, bool, u16)| Split {
            column: feature + if *nan_right { limits.len() } else { 0 },
            least: limits[*feature].partition_point(|limit| limit < threshold) as u8,
            keep: *keep,
        };
        let tree = |(splits, found): &(Flat, Vec<f64>)| {
            let mut leaves = [0.0; 16];
            leaves[..found.len()].copy_from_slice(found);
            Tree {
                splits: splits.iter().map(split).collect(),
                leaves,
            }
        };
        let trees = flat.iter().map(tree).collect();
        Trees {
            trees,
            limits,
            columns,
            baseline: model["baseline"].as_f64().expect("a number"),
        }
    }

    /// The features in the order of the bundle.
    pub fn named(&self, row: &[f64; FEATURES]) -> Vec<f64> {
        self.columns.iter().map(|column| row[*column]).collect()
    }

    /// Score at most `BLOCK` rows.
    pub fn scores(&self, rows: &[[f64; FEATURES]]) -> Vec<f64> {
        let (features, n) = (self.limits.len(), rows.len().next_multiple_of(32));
        let mut exceeded = vec![[0u8; BLOCK]; 2 * features];
        let mut x = [0.0f64; BLOCK];
        for (feature, column) in self.columns.iter().enumerate() {
            for (value, row) in x.iter_mut().zip(rows) {
                *value = row[*column];
            }
            let mut count = [0u64; BLOCK];
            for limit in &self.limits[feature] {
                for (sum, value) in count[..n].iter_mut().zip(&x) {
                    *sum += (*value > *limit) as u64;
                }
            }
            for place in 0..n {
                exceeded[feature][place] = count[place] as u8;
                exceeded[features + feature][place] = if x[place].is_nan() {
                    RIGHT
                } else {
                    count[place] as u8
                };
            }
        }
        let mut raw = [self.baseline; BLOCK];
        for tree in &self.trees {
            let mut reachable = [ALL; BLOCK];
            for split in &tree.splits {
                let (least, keep) = (split.least, split.keep);
                for (leaves, value) in reachable[..n].iter_mut().zip(&exceeded[split.column][..n]) {
                    *leaves &= keep | 0u16.wrapping_sub((*value <= least) as u16);
                }
            }
            for (sum, leaves) in raw[..n].iter_mut().zip(&reachable) {
                *sum += tree.leaves[leaves.trailing_zeros() as usize & 15];
            }
        }
        raw[..rows.len()]
            .iter()
            .map(|raw| 1.0 / (1.0 + (-raw).exp()))
            .collect()
    }
}

fn flatten(nodes: &Value) -> (Flat, Vec<f64>) {
    fn bits(nodes: &Value, at: usize, splits: &mut Flat, leaves: &mut Vec<f64>) -> u16 {
        if let Some(value) = nodes[at].as_f64() {
            leaves.push(value);
            return 1 << (leaves.len() - 1);
        }
        let number = |place: usize| nodes[at][place].as_u64().expect("a number") as usize;
        let left = bits(nodes, number(3), splits, leaves);
        let right = bits(nodes, number(4), splits, leaves);
        let threshold = nodes[at][1].as_f64().unwrap_or(f64::INFINITY);
        splits.push((
            number(0),
            threshold,
            !nodes[at][2].as_bool().expect("a side"),
            ALL & !left,
        ));
        left | right
    }
    let (mut splits, mut leaves) = (vec![], vec![]);
    bits(nodes, 0, &mut splits, &mut leaves);
    (splits, leaves)
}
