//! Which samples of a minibatch are those of a rank.

use super::{Ranks, Topic};

/// How samples of all ranks are counted, and which of them this rank has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    /// Units of all ranks.
    pub total: usize,
    /// The units before those of this rank, and its own.
    before: usize,
    own: usize,
    /// Environments of each rank and the number of ranks, if all ranks have as many units, unit i of each from its
    /// environment `i % environments`. Units are then counted as if one rank had the environments of all.
    in_turn: Option<(usize, usize)>,
    rank: usize,
}

impl Share {
    /// Returns the share of this rank, which has `units` units; `in_turn` is the number N of its environments if unit i comes
    /// from environment `i % N`. `None` after a failure.
    pub fn new(ranks: &Ranks, units: usize, in_turn: Option<usize>) -> Option<Self> {
        let all = ranks.gather(Topic::Samples, &[units as f64, in_turn.map_or(0.0, |envs| envs as f64)])?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // numbers of samples
        let counts: Vec<usize> = all.iter().map(|numbers| numbers.first().map_or(0, |&units| units as usize)).collect();
        let is_alike = all.iter().all(|numbers| *numbers == all[0]);
        Some(Self {
            total: counts.iter().sum(),
            before: counts[..ranks.rank()].iter().sum(),
            own: units,
            in_turn: in_turn.filter(|envs| is_alike && units.is_multiple_of(*envs)).map(|envs| (envs, ranks.count())),
            rank: ranks.rank(),
        })
    }

    /// Returns the units of this rank among some of all.
    pub fn of(&self, units: &[u32]) -> Vec<u32> {
        units.iter().filter_map(|&unit| self.own(unit)).collect()
    }

    /// Returns the unit of this rank that is unit `unit` of all; `None` if another rank has it.
    fn own(&self, unit: u32) -> Option<u32> {
        let unit = unit as usize;
        let own = match self.in_turn {
            Some((envs, ranks)) => {
                let (step, env) = (unit / (envs * ranks), unit % (envs * ranks));
                (env / envs == self.rank).then_some(step * envs + env % envs)
            }
            None => unit.checked_sub(self.before).filter(|own| *own < self.own),
        };
        own.and_then(|own| u32::try_from(own).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the units of each of two ranks, in the order of all units.
    fn units(of_ranks: [(usize, Option<usize>); 2]) -> Vec<Vec<u32>> {
        let threads = crate::ranks::Threads::new(2).into_iter().zip(of_ranks);
        std::thread::scope(|scope| {
            let threads = threads.map(|(rank, (units, in_turn))| {
                scope.spawn(move || {
                    let share = Share::new(&Ranks::new(rank), units, in_turn).unwrap();
                    (0..).take(share.total).map(|unit| share.own(unit).unwrap_or(u32::MAX)).collect()
                })
            });
            threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn units_are_counted_as_if_one_rank_had_all_environments() {
        let none = u32::MAX;
        // Two environments each, and two steps.
        let expected = [[0, 1, none, none, 2, 3, none, none], [none, none, 0, 1, none, none, 2, 3]];
        assert_eq!(units([(4, Some(2)); 2]), expected);
        // Otherwise those of rank 0 come first.
        for (first, second) in [((2, None), (3, None)), ((2, Some(2)), (3, Some(3)))] {
            assert_eq!(units([first, second]), [[0, 1, none, none, none], [none, none, 0, 1, 2]]);
        }
    }
}
