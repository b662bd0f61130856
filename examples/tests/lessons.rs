//! Every lesson runs.

#[allow(dead_code)] // its `main`
#[path = "../01_cartpole.rs"]
mod cartpole;

#[test]
fn lesson_1_trains_on_cartpole() {
    let return_mean = cartpole::train().unwrap();
    assert!(return_mean > 195.0, "{return_mean}");
}

#[allow(dead_code)] // its `main`
#[path = "../02_custom_env.rs"]
mod custom_env;

#[test]
fn lesson_2_finds_the_hut() {
    // The best there is: from place p, 9 - p steps at -0.1 and one that pays 1; 0.55 on average.
    let return_mean = custom_env::train().unwrap();
    assert!((0.45..0.65).contains(&return_mean), "{return_mean}");
}

// In CartPole, where a random policy balances for some 20 steps.

#[allow(dead_code)] // its `main`
#[path = "../03_reinforce.rs"]
mod reinforce;

#[test]
fn lesson_3_climbs_with_whole_episodes() {
    let return_mean = reinforce::train().unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
}

#[allow(dead_code)] // its `main`
#[path = "../04_a2c.rs"]
mod a2c;

#[test]
fn lesson_4_climbs_with_parts_of_its_own_choice() {
    let return_mean = a2c::train().unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
}

#[allow(dead_code)] // its `main`
#[path = "../05_custom_loss.rs"]
mod custom_loss;

#[test]
fn lesson_5_stays_nearer_and_still_climbs() {
    let (return_mean, moved) = custom_loss::train(1.0).unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
    let (_, moved_freely) = custom_loss::train(0.0).unwrap();
    assert!(moved < 0.8 * moved_freely, "{moved} against {moved_freely}");
}

#[allow(dead_code)] // its `main`
#[path = "../06_custom_network.rs"]
mod custom_network;

#[test]
fn lesson_6_trains_a_network_of_its_own() {
    let return_mean = custom_network::train().unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
}
