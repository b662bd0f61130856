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
