//! The three autoreset modes, compared with Gymnasium's: the same episodes of CartPole with each of them.

mod recorded;

use std::collections::BTreeMap;

use burn_pg_envs::{Actions, Autoreset, make};
use recorded::golden;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    case: Case,
}

#[derive(Deserialize)]
struct Case {
    max_episode_steps: u32,
    reset_seeds: Vec<u64>,
    modes: BTreeMap<String, Mode>,
}

#[derive(Deserialize)]
struct Mode {
    obs: Vec<Vec<[f32; 4]>>,
    actions: Vec<Vec<u32>>,
    rewards: Vec<Vec<f64>>,
    terminated: Vec<Vec<bool>>,
    truncated: Vec<Vec<bool>>,
    next_obs_returned: Vec<Vec<[f32; 4]>>,
    next_obs_true: Vec<Vec<[f32; 4]>>,
    valid: Vec<Vec<bool>>,
}

/// Asserts that observations agree except for rounding, which a short episode amplifies only a little.
#[track_caller]
fn assert_near(ours: &[f32], theirs: &[[f32; 4]], at: &str) {
    assert_eq!(ours.len(), theirs.as_flattened().len(), "{at}");
    for (ours, theirs) in ours.iter().zip(theirs.as_flattened()) {
        assert!((ours - theirs).abs() < 1e-6, "{at}: {ours} instead of {theirs}");
    }
}

#[test]
fn autoreset_modes_match_gymnasium() {
    let File { case } = golden("adv/autoreset.json");
    for (name, autoreset) in
        [("SameStep", Autoreset::SameStep), ("NextStep", Autoreset::NextStep), ("Disabled", Autoreset::Disabled)]
    {
        let mode = &case.modes[name];
        let mut envs = make("CartPole-v1", case.reset_seeds.len()).unwrap();
        envs.set_autoreset(autoreset).unwrap();
        envs.set_time_limit(Some(case.max_episode_steps)).unwrap();
        envs.reset_each(&case.reset_seeds).unwrap();
        let (mut ended_rows, mut dummy_rows) = (0, 0);
        for t in 0..mode.obs.len() {
            let at = format!("{name} step {t}");
            assert_near(&envs.batch().observations, &mode.obs[t], &at);
            let batch = envs.step(Actions::Discrete(&mode.actions[t])).unwrap();
            assert_near(&batch.observations, &mode.next_obs_returned[t], &at);
            assert_eq!(batch.rewards, mode.rewards[t], "{at}");
            assert_eq!(batch.terminated, mode.terminated[t], "{at}");
            assert_eq!(batch.truncated, mode.truncated[t], "{at}");
            assert_eq!(batch.valid, mode.valid[t], "{at}");
            dummy_rows += batch.valid.iter().filter(|&&valid| !valid).count();
            for env in batch.ended() {
                assert_near(&batch.final_observations[4 * env..4 * env + 4], &mode.next_obs_true[t][env..=env], &at);
                ended_rows += 1;
            }
            if autoreset == Autoreset::Disabled {
                let ended: Vec<bool> = batch.terminated.iter().zip(&batch.truncated).map(|(a, b)| *a || *b).collect();
                envs.reset_where(&ended).unwrap();
            }
        }
        assert!(ended_rows > 0, "{name}");
        assert_eq!(dummy_rows > 0, autoreset == Autoreset::NextStep, "{name}");
    }
}
