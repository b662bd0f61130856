//! Means over the samples of all ranks.

use burn::tensor::{DType, Element};

use super::{Ranks, Topic};
use crate::kernel::host::Real;

impl Ranks {
    /// Replaces means over the samples of this rank by the means over those of all ranks. `mass` is the weight of this rank's
    /// samples; 0 if it has none, whatever the means are.
    pub(crate) fn average<T: Real + Element>(&self, mass: f64, metrics: &mut [f64], gradient: &mut [T]) {
        let mut sums: Vec<f64> = metrics.iter().map(|metric| weighted(mass, *metric)).chain([mass]).collect();
        self.add_up(Topic::Gradient, &mut sums);
        let total = sums.pop().expect("the mass is the last number");
        metrics.iter_mut().zip(sums).for_each(|(metric, sum)| *metric = sum / total);
        let share = mass / total;
        if T::DTYPE == DType::F64 {
            let mut numbers: Vec<f64> = gradient.iter().map(|&value| weighted(share, value.double())).collect();
            self.add_up(Topic::Gradient, &mut numbers);
            gradient.iter_mut().zip(numbers).for_each(|(value, sum)| *value = T::of(sum));
        } else {
            #[allow(clippy::cast_possible_truncation)] // training uses single precision
            let single = |value: &T| weighted(share, value.double()) as f32;
            let mut numbers: Vec<f32> = gradient.iter().map(single).collect();
            self.add_up_single(&mut numbers);
            gradient.iter_mut().zip(numbers).for_each(|(value, sum)| *value = T::of(sum.into()));
        }
    }

    /// Shifts and scales values to mean 0 and standard deviation 1 over all ranks, as [`normalize`](crate::loss::normalize)
    /// does over one. `weights` has one for each value, or is empty if all are 1.
    pub fn normalize<T: Real>(&self, values: &mut [T], weights: &[T]) {
        let weight = |i: usize| weights.get(i).map_or(1.0, |weight| weight.double());
        let mut sums = [0.0; 4];
        for (i, value) in values.iter().enumerate() {
            let (weight, value) = (weight(i), value.double());
            let terms = [weight, weight * weight, weight * value, weight * value * value];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        self.add_up(Topic::Advantages, &mut sums);
        let [total, squares, of_values, of_squares] = sums;
        let (mean, freedom) = (of_values / total, total - squares / total);
        // A single value has no standard deviation and stays as it is.
        if freedom <= 1e-6 * total {
            return;
        }
        let divisor = ((of_squares - total * mean * mean).max(0.0) / freedom).sqrt() + 1e-8;
        for value in values {
            *value = T::of((value.double() - mean) / divisor);
        }
    }
}

/// Returns the product, and 0 for a weight of 0, even if the value is NaN.
fn weighted(weight: f64, value: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::Threads;

    /// Calls `each` on a thread for each rank, and returns what they return.
    fn on_ranks<T: Send>(ranks: usize, each: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
        let each = &each;
        std::thread::scope(|scope| {
            let threads = Threads::new(ranks).into_iter().map(|rank| scope.spawn(move || each(Ranks::new(rank))));
            threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn means_are_weighted_by_the_mass_of_each_rank() {
        let all = on_ranks(3, |ranks| {
            // Rank 2 has no samples.
            let (mass, value) = [(1.0, 2.0), (3.0, 6.0), (0.0, f64::NAN)][ranks.rank()];
            let (mut metrics, mut double, mut single) = ([value], [value, -value], [f32::NAN]);
            if mass > 0.0 {
                single = [if ranks.rank() == 0 { 2.0 } else { 6.0 }];
            }
            ranks.average(mass, &mut metrics, &mut double);
            ranks.average(mass, &mut [], &mut single);
            (metrics, double, single, ranks.check())
        });
        assert_eq!(all, vec![([5.0], [5.0, -5.0], [5.0], Ok(())); 3]);
    }

    #[test]
    fn values_are_normalised_over_all_ranks() {
        let values = [1.0_f64, 4.0, -2.0, 0.5, 7.0];
        let mut expected = values;
        crate::kernel::host::normalize(&mut expected);
        let parts = on_ranks(2, |ranks| {
            let mut part = if ranks.rank() == 0 { values[..3].to_vec() } else { values[3..].to_vec() };
            ranks.normalize(&mut part, &[]);
            part
        });
        for (value, expected) in parts.concat().iter().zip(expected) {
            assert!((value - expected).abs() < 1e-14, "{value} {expected}");
        }
        // Values that weigh nothing do not count, and a single value stays as it is.
        let weighted = on_ranks(2, |ranks| {
            let mut part = vec![[1.0, 100.0], [3.0, -50.0]][ranks.rank()];
            ranks.normalize(&mut part, &[1.0, 0.0]);
            part[0]
        });
        assert!((weighted[0] + 0.5_f64.sqrt()).abs() < 1e-7 && (weighted[1] - 0.5_f64.sqrt()).abs() < 1e-7);
        let single = on_ranks(2, |ranks| {
            let mut part = vec![9.0; 1 - ranks.rank()];
            ranks.normalize(&mut part, &[]);
            part
        });
        assert_eq!(single, [vec![9.0], vec![]]);
    }

    #[test]
    fn a_rank_that_ends_or_differs_is_reported_to_the_others() {
        let lost = on_ranks(2, |ranks| {
            if ranks.rank() == 1 {
                return (f64::NAN, None);
            }
            let mut sums = [1.0];
            ranks.add_up(Topic::End, &mut sums);
            (sums[0], ranks.check().err())
        });
        assert!(lost[0].0.is_nan());
        assert_eq!(lost[0].1.as_ref().unwrap().to_string(), "rank 1 has ended");
        let differ = on_ranks(2, |ranks| {
            ranks.add_up_single(&mut vec![1.0; 1 + ranks.rank()]);
            ranks.check().unwrap_err().to_string()
        });
        assert!(differ[0].starts_with("rank 1 has 2 numbers where this rank has 1"), "{differ:?}");
        let differ = on_ranks(2, |ranks| {
            ranks.add_up(Topic::End, &mut vec![1.0; 2 - ranks.rank()]);
            ranks.check().unwrap_err().to_string()
        });
        assert!(differ[1].starts_with("rank 0 has 2 numbers where this rank has 1"), "{differ:?}");
        let apart = on_ranks(2, |ranks| {
            ranks.add_up([Topic::End, Topic::Returns][ranks.rank()], &mut [1.0]);
            ranks.check().unwrap_err().to_string()
        });
        assert!(apart[0].starts_with("rank 1 is at another place of its run"), "{apart:?}");
    }
}
