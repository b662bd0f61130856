//! Stepping a batch allocates nothing.

use burn_pg_envs::{
    ActionBuffer, EnvRng, VectorEnv, make, specs,
    wrapper::{Normalize, RecordEpisodes},
};
use rayon::ThreadPoolBuilder;

/// Long enough for episodes to end.
const STEPS: u64 = 600;

#[test]
fn no_step_after_the_first_allocates() {
    // The counter counts this thread, the only one of its pool. With two threads, rayon has been seen to make a single
    // allocation in some runs of hundreds of steps.
    let one = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    one.install(|| check(&[1, 8192], 0));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let two = ThreadPoolBuilder::new().num_threads(2).use_current_thread().build().unwrap();
        two.install(|| check(&[8192], STEPS / 100));
        sender.send(()).unwrap();
    });
    receiver.recv().unwrap();
}

fn check(sizes: &[usize], most: u64) {
    for (spec, &num_envs) in specs().iter().flat_map(|spec| sizes.iter().map(move |size| (spec, size))) {
        let envs = RecordEpisodes::new(make(&spec.id, num_envs).unwrap());
        let mut envs = Normalize::new(envs, Some(0.99)).unwrap();
        let drawn = ActionBuffer::random(&spec.action_space, num_envs, &mut EnvRng::new(0));
        // The first steps measure the cost of a step.
        for _ in 0..10 {
            envs.step(drawn.as_actions()).unwrap();
        }
        let counted = allocation_counter::measure(|| {
            for _ in 0..STEPS {
                envs.step(drawn.as_actions()).unwrap();
            }
        });
        assert!(counted.count_total <= most, "{} of {num_envs}: {counted:?}", spec.id);
    }
}
