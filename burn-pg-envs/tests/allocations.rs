//! Stepping a batch allocates nothing.

use burn_pg_envs::{ActionBuffer, EnvRng, make, specs};

#[test]
fn no_step_after_the_first_allocates() {
    // On one thread, so that the counter sees everything; the threads of a pool are not its own.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    for spec in specs() {
        // Parallel too: more environments than one task steps.
        let mut envs = make(&spec.id, 300).unwrap();
        let mut rng = EnvRng::new(0);
        let drawn = ActionBuffer::random(&spec.action_space, 300, &mut rng);
        let actions = drawn.as_actions();
        pool.install(|| {
            envs.step(actions).unwrap();
            let counted = allocation_counter::measure(|| {
                // Long enough for episodes to end.
                for _ in 0..600 {
                    envs.step(actions).unwrap();
                }
            });
            assert_eq!(counted.count_total, 0, "{}", spec.id);
        });
    }
}
