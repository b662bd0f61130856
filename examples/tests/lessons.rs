//! Every lesson runs.

#[allow(dead_code)] // its `main`
#[path = "../01_cartpole.rs"]
mod cartpole;

#[test]
fn lesson_1_trains_on_cartpole() {
    let return_mean = cartpole::train().unwrap();
    assert!(return_mean > 195.0, "{return_mean}");
}
