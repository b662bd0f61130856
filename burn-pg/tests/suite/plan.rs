//! Memory plans: their parts and phases, what they refuse, and how they are shown.

use burn_pg::{
    CheckedConfig, Config, MemoryPlan, Trainer,
    device::{self, Backend, DeviceChoice},
    envs::{EnvRng, EnvSpec, spec},
    optim::{OptimiserSpec, flatten_parameters},
    plan::{Available, Bytes, Fix, Part, Place},
    policy::{ActorCritic, GsdeNoise},
};

fn planned(settings: &str) -> (CheckedConfig, EnvSpec, MemoryPlan) {
    let settings = format!("total_steps = 10000000\n{settings}");
    planned_for(crate::settings::settings(&settings).unwrap())
}

fn planned_for(config: Config) -> (CheckedConfig, EnvSpec, MemoryPlan) {
    let config = config.validate().unwrap();
    let spec = spec(&config.env.name).unwrap();
    let plan = MemoryPlan::of(&config, &spec);
    (config, spec, plan)
}

#[test]
fn planned_parameters_are_those_of_the_networks() {
    let device = device::open(DeviceChoice::Auto).unwrap().device.autodiff();
    for settings in [
        "",
        "hidden_sizes = []",
        "hidden_sizes = [32, 16]\nshared_layers = true",
        "hidden_sizes = []\nshared_layers = true",
        "algorithm.kind = 'reinforce'",
        "name = 'Pendulum-v1'",
        "name = 'Pendulum-v1'\nexploration = { state_dependent = true }",
        "name = 'Pendulum-v1'\nexploration = { sde = {} }",
        "recurrence = { cell = 'gru', size = 8 }",
        "recurrence = { cell = 'lstm', size = 8 }\nshared_layers = true",
    ] {
        let (config, spec, plan) = planned(settings);
        let policy = ActorCritic::new(&spec, &config.network().unwrap(), &mut EnvRng::new(0), &device).unwrap();
        let [parameters] = flatten_parameters(&policy).dims();
        assert_eq!(plan.phases[0].parts[&Part::Parameters], Bytes(4 * parameters as u64), "{settings}");
    }
}

#[test]
fn the_peak_is_that_of_the_largest_phase() {
    let (_, _, plan) = planned("num_envs = 2048\nnum_minibatches = 8");
    assert!(plan.phases.iter().all(|phase| phase.total() <= plan.peak().total()));
    let sum: Bytes = plan.parts().into_values().sum();
    assert!(plan.peak().total() < sum, "not everything is alive at once");
    assert_eq!(plan.host_peak(), plan.peak().total());
}

#[test]
fn memory_of_a_separate_device_does_not_count_on_the_host() {
    let (_, _, plan) = planned("num_envs = 2048\nnum_minibatches = 8\ndevice = 'cuda'");
    assert!(plan.has_device_memory && plan.host_peak() < plan.peak().total());
    let shown = plan.to_string();
    assert!(
        shown.contains("most on the host")
            && shown.contains("most on the device")
            && shown.contains("  on the device\n"),
        "{shown}"
    );
}

#[test]
fn micro_batches_take_less_memory() {
    // Fused minibatches take none.
    let gsde = "num_envs = 256\nname = 'Pendulum-v1'\nexploration = { sde = {} }";
    let whole = planned(gsde).2;
    let parts = planned(&format!("{gsde}\nmicro_batch_size = 512")).2;
    assert!(parts.parts()[&Part::Activations].0 * 10 < whole.parts()[&Part::Activations].0);
    assert_eq!(parts.parts()[&Part::Batch], whole.parts()[&Part::Batch]);
}

#[test]
fn the_largest_settings_do_not_overflow() {
    let rollout = "num_envs = 1048576\nnum_steps = 64\nnum_epochs = 1000000\nnum_minibatches = 67108864";
    let settings = format!("{rollout}\nhidden_sizes = [4096, 4096]");
    let config = crate::settings::settings(&settings).unwrap();
    let config = config.with(|config| config.run.total_steps = 1 << 40).validate().unwrap();
    let spec = spec(&config.env.name).unwrap();
    let plan = MemoryPlan::of(&config, &spec);
    assert!(plan.peak().total() > Bytes(1 << 40));
    assert!(plan.with_evaluation(&config, &spec).parts().contains_key(&Part::Evaluation));
}

#[test]
fn a_run_is_accepted_if_it_fits_or_the_available_memory_is_unknown() {
    let (config, spec, plan) = planned_for(Config::default());
    let peak = plan.host_peak();
    assert_eq!(plan.check(&config, &spec, Some(peak)), Ok(()));
    assert_eq!(plan.check(&config, &spec, None), Ok(()));
    let error = plan.check(&config, &spec, Some(Bytes(peak.0 - 1))).unwrap_err();
    assert_eq!((error.needed, error.available), (peak, Bytes(peak.0 - 1)));
}

#[test]
fn suggestions_are_the_largest_powers_of_two_that_fit() {
    let many = Config::default().with(|config| {
        config.env.name = "Pendulum-v1".into();
        config.network.exploration.sde = Some(GsdeNoise::default());
        config.env.num_envs = 2048;
        config.run.total_steps = 10_000_000;
    });
    let (config, spec, plan) = planned_for(many.clone());
    let available = Bytes(plan.host_peak().0 * 7 / 10);
    let error = plan.check(&config, &spec, Some(available)).unwrap_err();
    assert_eq!(error.largest[0].0, Part::Activations);
    assert_eq!(
        error.fixes.iter().map(|fix| fix.key).collect::<Vec<_>>(),
        ["micro_batch_size", "num_envs", "num_steps"]
    );
    for Fix { key, value, needed } in error.fixes {
        let with = |value: usize| {
            let mut config = many.clone();
            match key {
                "micro_batch_size" => config.algorithm.set_micro_batch_size(Some(value)),
                "num_envs" => config.env.num_envs = value,
                _ => config.rollout.num_steps = value,
            }
            planned_for(config).2.host_peak()
        };
        assert_eq!(with(value), needed);
        assert!(needed <= available && with(2 * value) > available, "{key} = {value}: {needed}");
    }
}

#[test]
fn the_message_names_the_settings_to_lower() {
    let (config, spec, plan) = planned_for(Config::default().with(|config| {
        config.env.num_envs = 2048;
        config.run.total_steps = 10_000_000;
    }));
    let text = plan.check(&config, &spec, Some(Bytes(20 << 20))).unwrap_err().to_string();
    for part in [
        "and 20.0 MiB are available",
        "shuffled batch ",
        "`num_envs = 1024` takes ",
        "`num_steps` (128)",
        "`hidden_sizes` ([64, 64])",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Fused minibatches are not cut.
    assert!(!text.contains("micro_batch_size"), "{text}");
    let text = plan.check(&config, &spec, Some(Bytes(1000))).unwrap_err().to_string();
    assert!(text.contains("Lowering one setting to a power of two is not enough"), "{text}");
}

#[test]
fn bytes_are_shown_in_the_largest_unit_that_they_fill() {
    for (bytes, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (3 << 29, "1.5 GiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(Bytes(bytes).to_string(), text);
    }
    assert_eq!(format!("{:>8}|{:<8}|", Bytes(1024), Bytes(5)), " 1.0 KiB|5 B     |");
}

#[test]
fn arithmetic_with_bytes_saturates() {
    assert_eq!(Bytes(u64::MAX) + Bytes(1), Bytes(u64::MAX));
    assert_eq!(Bytes(1 << 40) * (1 << 40), Bytes(u64::MAX));
}

#[test]
fn optimisers_keep_as_many_vectors_as_their_specification_says() {
    use burn_pg::burn::tensor::Tensor;
    let device = device::open(DeviceChoice::Auto).unwrap().device;
    for text in [
        "kind = 'adam'",
        "kind = 'adamw'",
        "kind = 'sgd'",
        "kind = 'sgd'\nmomentum = 0.9",
        "kind = 'rmsprop'",
        "kind = 'rmsprop'\nmomentum = 0.9\ncentered = true",
    ] {
        let spec: OptimiserSpec = text.parse::<toml::Table>().unwrap().try_into().unwrap();
        let mut optimiser = spec.build();
        let _ = optimiser.step(0.1, Tensor::ones([3], &device), Tensor::ones([3], &device));
        assert_eq!(optimiser.state().tensors.len(), spec.vectors(), "{text}");
    }
}

#[test]
fn a_plan_says_what_a_trainer_will_say_of_its_minibatches() {
    let gsde = Some("the policy explores with gSDE noise");
    for (settings, reason) in [
        ("", None),
        ("algorithm.kind = 'trpo'", None),
        ("algorithm.kind = 'reinforce'\nname = 'Acrobot-v1'", None),
        ("name = 'Pendulum-v1'\nexploration = { squash = true, state_dependent = true }\noptimiser.kind = 'sgd'", None),
        ("name = 'Pendulum-v1'\nexploration = { sde = {} }", gsde),
        ("recurrence = { cell = 'gru', size = 8 }", Some("the policy is recurrent")),
        ("device = 'ndarray'", Some("the device is neither `flex` nor a GPU")),
    ] {
        let (config, _, plan) = planned(settings);
        assert_eq!(plan.unfused.map(|reason| reason.to_string()).as_deref(), reason, "{settings}");
        let last = plan.to_string().lines().last().unwrap().to_owned();
        assert_eq!(last.split_once("not fused: ").map(|(_, reason)| reason), reason, "{settings}");
        assert!(last.starts_with("minibatches ") && last.contains("fused"), "{last}");
        let Ok(open) = device::open(config.run.device) else { continue };
        let mut trainer = Trainer::of(&config, &open.device).unwrap();
        trainer.update().unwrap();
        assert!(open.backend != Backend::Flex || trainer.unfused() == plan.unfused, "{settings}");
    }
}

#[test]
fn what_does_not_fit_on_the_device_is_refused_with_the_numbers() {
    let (config, spec, plan) = planned("num_envs = 2048\nnum_minibatches = 8\nhidden_sizes = [4]\ndevice = 'cuda'");
    let [host, device] = [plan.host_peak(), plan.device_peak()].map(Some);
    // Five columns of numbers; observations have four.
    let columns = Bytes(2048 * 128 * 4 * 5);
    assert_eq!(plan.largest_buffer, (Part::ShuffledBatch, columns));
    let enough = Available { host, device, buffer: Some(columns) };
    assert_eq!(plan.check(&config, &spec, enough), Ok(()));
    let less = |bytes: Bytes| Some(Bytes(bytes.0 - 1));
    let refused = |available: Available| plan.check(&config, &spec, available).unwrap_err();
    let error = refused(Available { device: less(plan.device_peak()), ..enough });
    assert_eq!((error.place, error.needed), (Place::Device, plan.device_peak()));
    assert!(error.fixes.iter().any(|fix| fix.key == "num_envs" && fix.value == 1024), "{error}");
    assert!(error.to_string().starts_with("on the device, the run would take "), "{error}");
    let error = refused(Available { buffer: less(columns), ..enough });
    assert_eq!((error.place, error.needed), (Place::Buffer, columns));
    let text = error.to_string();
    assert!(text.starts_with("the largest buffer on the device would take 5.0 MiB"), "{text}");
    assert!(text.contains("it is for the shuffled batch 5.0 MiB. "), "{text}");
    assert!(text.contains("`num_steps = 64` takes 2.5 MiB"), "{text}");
    // Only what changes that buffer is named.
    assert!(text.ends_with("the memory grows with `num_envs` (2048), `num_steps` (128)"), "{text}");
    // Without a device, there is nothing that could be too small there.
    let (config, spec, plan) = planned("num_envs = 2048\nnum_minibatches = 8");
    let nothing = Some(Bytes(0));
    assert_eq!(plan.check(&config, &spec, Available { host: None, device: nothing, buffer: nothing }), Ok(()));
}
