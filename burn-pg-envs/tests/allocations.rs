//! Stepping a batch allocates nothing.

use burn_pg_envs::{ActionBuffer, EnvRng, make, specs};

#[test]
fn no_step_after_the_first_allocates() {
    // The counter sees this thread, which is one of the pool, and hands out tasks to the other.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).use_current_thread().build().unwrap();
    for (spec, num_envs) in specs().into_iter().flat_map(|spec| [(spec.clone(), 1), (spec, 8192)]) {
        let mut envs = make(&spec.id, num_envs).unwrap();
        let mut rng = EnvRng::new(0);
        let drawn = ActionBuffer::random(&spec.action_space, num_envs, &mut rng);
        let actions = drawn.as_actions();
        pool.install(|| {
            // Until the cost of a step is known.
            for _ in 0..10 {
                envs.step(actions).unwrap();
            }
            let counted = allocation_counter::measure(|| {
                // Long enough for episodes to end.
                for _ in 0..600 {
                    envs.step(actions).unwrap();
                }
            });
            assert_eq!(counted.count_total, 0, "{} of {}", num_envs, spec.id);
        });
    }
}
