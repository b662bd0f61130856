//! `docs/metrics.md` lists the fields that runs write.

use std::collections::BTreeSet;

use burn_pg::{
    algorithm::Recipe,
    config::{Algo, CheckedConfig},
    envs::make,
    loss::{KlEstimator, KlPenalty, KlToReference, Objective},
};

use crate::helpers::{flex, small};
use crate::settings::ppo_of;

const PAGE: &str = include_str!("../../../../docs/metrics.md");

#[test]
fn the_page_lists_every_field_of_the_metrics_and_no_other() {
    let of = |algo: Algo| small().with(|config| config.algorithm = algo.into()).validate().unwrap();
    let of_each = Algo::ALL.into_iter().map(of).flat_map(|config| fields(Recipe::of(&config).unwrap(), &config));
    let mut written: BTreeSet<String> = of_each.collect();

    let config = small().with(|config| ppo_of(config).kl_in_reward = 0.1).validate().unwrap();
    let to_reference = KlToReference { estimator: KlEstimator::K2 };
    let objective = Objective::new().with(1.0, KlPenalty::default()).with(0.1, to_reference);
    written.extend(fields(Recipe { objective, ..Recipe::of(&config).unwrap() }, &config));

    assert_eq!(listed(), written);
}

/// Returns the names in the first column of the first table.
fn listed() -> BTreeSet<String> {
    let table = PAGE.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let names = table.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Returns the fields of the first update.
fn fields(recipe: Recipe, config: &CheckedConfig) -> Vec<String> {
    let device = flex();
    let mut envs = make("CartPole-v1", 2).unwrap();
    // The rollouts of REINFORCE are whole episodes, which must fit into the steps of the run.
    envs.set_time_limit(Some(16)).unwrap();
    let stats = recipe.build(envs, config, &device).unwrap().update().unwrap();
    let line = serde_json::to_value(stats).unwrap();
    line.as_object().unwrap().keys().cloned().collect()
}
