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
    // The optimum from place p: 9 - p steps at -0.1 and one that gives 1; 0.55 on average.
    let return_mean = custom_env::train().unwrap();
    assert!((0.45..0.65).contains(&return_mean), "{return_mean}");
}

// Lessons 3 to 6 train on CartPole, where a random policy balances for about 20 steps.

#[allow(dead_code)] // its `main`
#[path = "../03_reinforce.rs"]
mod reinforce;

#[test]
fn lesson_3_learns_from_whole_episodes() {
    let return_mean = reinforce::train().unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
}

#[allow(dead_code)] // its `main`
#[path = "../04_a2c.rs"]
mod a2c;

#[test]
fn lesson_4_learns_with_the_chosen_parts() {
    let return_mean = a2c::train().unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
}

#[allow(dead_code)] // its `main`
#[path = "../05_custom_loss.rs"]
mod custom_loss;

#[test]
fn lesson_5_learns_and_its_term_limits_the_change_of_the_policy() {
    let (return_mean, moved) = custom_loss::train(1.0).unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
    let (_, moved_freely) = custom_loss::train(0.0).unwrap();
    assert!(moved < 0.8 * moved_freely, "{moved} against {moved_freely}");
}

#[allow(dead_code)] // its `main`
#[path = "../06_custom_network.rs"]
mod custom_network;

#[test]
fn lesson_6_learns_with_a_custom_network() {
    let return_mean = custom_network::train().unwrap();
    assert!(return_mean > 100.0, "{return_mean}");
}

#[allow(dead_code)] // its `main`
#[path = "../07_vector_env.rs"]
mod vector_env;

#[test]
fn lesson_7_keeps_the_contract_of_vector_environments_at_any_size() {
    use burn_pg::envs::check_env;
    for (rooms, num_envs) in [(2, 1), (5, 3), (12, 4)] {
        let report = check_env(|| Ok(vector_env::Corridor::new(rooms, num_envs))).unwrap();
        assert!(report.saves && report.episodes > 0, "{report:?}");
    }
}

#[test]
fn lesson_7_resumes_from_a_checkpoint_bit_for_bit() {
    for rooms in [5, 8] {
        let uninterrupted = vector_env::train(rooms, None).unwrap();
        assert_eq!(vector_env::train(rooms, Some(5)).unwrap(), uninterrupted);
        // From room `r`, `rooms - 2 - r` steps cost 0.1 and one pays 1.
        let best = 1.0 - 0.05 * f64::from(rooms - 2);
        let return_mean = uninterrupted.last().unwrap().episode_return_mean.unwrap();
        assert!(return_mean > best - 0.2, "{return_mean} of {best}");
    }
}

#[allow(dead_code)] // its `main`
#[path = "../08_images.rs"]
mod images;

#[test]
fn lesson_8_learns_and_resumes_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let policy = |name: &str| std::fs::read(run(name).join("policy.safetensors")).unwrap();
    // The optimum is 0.5, because half of the things are bombs. A random policy gets about 0.
    let whole = images::train(&run("whole"), 40_000, u64::MAX).unwrap();
    assert!(whole > 0.2, "{whole}");
    images::train(&run("stopped"), 40_000, 5).unwrap();
    assert_ne!(policy("stopped"), policy("whole"));
    let resumed = images::train(&run("stopped"), 40_000, u64::MAX).unwrap();
    assert_eq!((resumed, policy("stopped")), (whole, policy("whole")));
}

#[test]
fn lesson_8_resumes_bit_for_bit_after_its_process_was_killed() {
    // The process that is killed is this test itself.
    const RUN: &str = "RUN_OF_LESSON_8";
    let train = |run: &std::path::Path| images::train(run, 40_000, u64::MAX).unwrap();
    if let Some(run) = std::env::var_os(RUN) {
        train(run.as_ref());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let name = std::thread::current().name().unwrap().to_owned();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact"])
        .env(RUN, &killed)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let saved = || burn_pg::run::RunDir::open(&killed).checkpoints().updates().unwrap_or_default();
    while saved().len() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its second checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it ended before it was killed");
    assert_eq!(train(&killed), train(&whole));
    let files = [&killed, &whole].map(|run| std::fs::read(run.join("policy.safetensors")).unwrap());
    assert!(files[0] == files[1]);
}

#[allow(dead_code)] // its `main`
#[path = "../09_text_source.rs"]
mod text_source;

/// Returns the expected reward of a writer, minus `BETA` times its KL divergence from the first one, and the optimum.
/// Both are computed from every possible text.
fn expected_and_best([first, writer]: [text_source::Writer; 2]) -> [f64; 2] {
    use burn_pg::distribution::Categorical;
    use text_source::{BETA, score};

    let [theirs, ours] = [first, writer]
        .map(|of| -> Vec<f32> { Categorical::new(of.logits.val()).log_probs().into_data().try_into_vec().unwrap() });
    let (mut expected, mut partition) = (0.0, 0.0);
    for text in (0..125_u32).map(|n| [n / 25, n / 5 % 5, n % 5]) {
        let rows = [0, 1 + text[0], 6 + 5 * text[0] + text[1]];
        let log_prob =
            |of: &[f32]| rows.iter().zip(text).map(|(row, k)| f64::from(of[(row * 5 + k) as usize])).sum::<f64>();
        let (log_p, log_q) = (log_prob(&ours), log_prob(&theirs));
        expected += log_p.exp() * (score(&text) - BETA * (log_p - log_q));
        partition += (log_q + score(&text) / BETA).exp();
    }
    [expected, BETA * partition.ln()]
}

#[test]
fn lesson_9_comes_within_one_percent_of_the_optimum() {
    let [first, writer] = text_source::train().unwrap();
    let [untrained, _] = expected_and_best([first.clone(), first.clone()]);
    let [expected, best] = expected_and_best([first, writer]);
    assert!(untrained < 0.9 * best, "{untrained} of {best} without training");
    assert!(expected <= best + 1e-5 && expected > 0.99 * best, "{expected} of {best}");
}

#[allow(dead_code)] // its `main`
#[path = "../11_gpu_environment.rs"]
mod gpu_environment;

#[test]
fn lesson_11_holds_the_drone_with_every_backend_of_the_build() {
    use burn_pg::{
        DeviceChoice, DeviceError,
        device::{Backend, open},
        source::OffDevice,
    };
    gpu_environment::register().unwrap();
    for backend in Backend::compiled() {
        if matches!(open(DeviceChoice::Backend(backend)), Err(DeviceError::NoAdapter { .. })) {
            continue;
        }
        let trained = gpu_environment::train(DeviceChoice::Backend(backend)).unwrap();
        // At most 100. A drone without control loses its height after about 20 steps.
        assert!(trained.return_mean > 85.0, "{backend}: {}", trained.return_mean);
        assert_eq!(trained.off_device, backend.is_cpu().then_some(OffDevice::NoGpu));
        assert_eq!(trained.unfused.is_some(), backend == Backend::NdArray);
    }
}

#[test]
fn the_environment_for_gpus_in_the_documentation_is_that_of_lesson_11() {
    let lesson = include_str!("../11_gpu_environment.rs");
    let page = include_str!("../../docs/environments.md");
    let code = page.split("```rust,ignore\n").find(|code| code.contains("impl DeviceEnv for Drone")).unwrap();
    let code = code.split("```").next().unwrap().trim_end();
    let without_indent = |code: &str| code.lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
    assert!(without_indent(lesson).contains(&without_indent(code)));
}
