//! Memory plans of runs on texts.

use burn_pg_lm::{
    model::{Family, Lora, Shape, Target},
    plan::{Bytes, DoesNotFit, Lengths, Part, RewardShape, Shapes, TextPlan},
    task::{
        Settings, Task, Train,
        settings::{Algorithm, Dpo, Kl, RewardKind, RewardModelling, RewardSpec, Rl, Sft},
    },
};

/// SmolLM2-135M.
const SMALL: Shape = Shape {
    family: Family::Llama { rope_theta: 100_000.0 },
    vocabulary: 49152,
    context: 8192,
    width: 576,
    hidden: 1536,
    blocks: 30,
    heads: 9,
    groups: 3,
    head: 64,
    epsilon: 1e-5,
    tied: true,
};

/// Llama 3.2 1B.
const LARGE: Shape = Shape {
    family: Family::Llama { rope_theta: 500_000.0 },
    vocabulary: 128_256,
    context: 131_072,
    width: 2048,
    hidden: 8192,
    blocks: 16,
    heads: 32,
    groups: 8,
    head: 64,
    epsilon: 1e-5,
    tied: true,
};

fn reward(kind: RewardKind) -> RewardSpec {
    RewardSpec { weight: 1.0, name: None, kind }
}

fn rl() -> Rl {
    Rl { rewards: vec![reward(RewardKind::Words { target: 20.0 })], ..Rl::default() }
}

fn settings(task: Task) -> Settings {
    Settings { base: None, task, train: Train::default(), lora: None }
}

fn shapes(policy: Shape) -> Shapes {
    let [prompts, texts, completions] = [32, 256, 256].map(Lengths::all);
    Shapes { policy, rewards: Vec::new(), prompts, texts, completions, data: Bytes(0) }
}

fn plan(task: Task) -> TextPlan {
    TextPlan::of(&settings(task), &shapes(SMALL))
}

#[track_caller]
fn bytes(plan: &TextPlan, phase: &str, part: Part) -> u64 {
    plan.phase(phase).expect("the phase").parts.get(&part).map_or(0, |bytes| bytes.0)
}

#[test]
fn parameters_are_those_of_known_models() {
    assert_eq!(plan(Task::Rl(rl())).parameters, 134_515_008);
    let large = TextPlan::of(&settings(Task::Rl(rl())), &shapes(LARGE));
    assert_eq!((large.parameters, large.trained), (1_235_814_400, 1_235_814_400));
    let critic = plan(Task::Rl(Rl { algorithm: Algorithm::Ppo, ..rl() }));
    assert_eq!((critic.parameters, critic.trained), (134_515_584, 134_515_584));
}

#[test]
fn a_step_takes_weights_gradient_and_state_before_and_after() {
    const P: u64 = 4 * 134_515_008;
    let plan = plan(Task::Rl(rl()));
    let step = |part| bytes(&plan, "step", part);
    assert_eq!([step(Part::PolicyWeights), step(Part::Reference), step(Part::Gradient)], [P; 3]);
    // AdamW computes decayed weights before the new ones.
    assert_eq!([step(Part::NewWeights), step(Part::OptimiserState)], [2 * P, 4 * P]);
    assert_eq!(plan.phase("step").unwrap().total(), Bytes(9 * P));
    // Copies and their file.
    assert_eq!(bytes(&plan, "checkpoint", Part::Checkpoint), 6 * P);
    // Eight micro-batches of eight completions: their sum, and that of one, before and after it is joined.
    assert_eq!(bytes(&plan, "gradients", Part::Gradient), 3 * P);
    // What was before the update is kept besides what was before the step.
    let plan = self::plan(Task::Rl(Rl { epochs: 2, ..rl() }));
    assert_eq!(bytes(&plan, "step", Part::NewWeights), 3 * P);
    assert_eq!(bytes(&plan, "step", Part::OptimiserState), 6 * P);
}

#[test]
fn a_reference_is_loaded_only_where_it_is_read() {
    const P: u64 = 4 * 134_515_008;
    let reference = |task| plan(task).parts().get(&Part::Reference).map_or(0, |bytes| bytes.0);
    assert_eq!(reference(Task::Rl(rl())), P);
    assert_eq!(reference(Task::Rl(Rl { kl: Kl { weight: 0.0, ..Kl::default() }, ..rl() })), 0);
    assert_eq!(reference(Task::Dpo(Dpo::default())), P);
    assert_eq!(reference(Task::Sft(Sft::default())), 0);
    assert_eq!(reference(Task::Reward(RewardModelling::default())), 0);
}

#[test]
fn adapters_take_the_place_of_gradient_state_and_reference() {
    let whole = plan(Task::Rl(rl()));
    let lora = Some(Lora { rank: 4, targets: vec![Target::Query, Target::Down], ..Lora::default() });
    let adapted = TextPlan::of(&Settings { lora, ..settings(Task::Rl(rl())) }, &shapes(SMALL));
    let trained = 30 * 4 * (2 * 576 + 576 + 1536);
    assert_eq!(adapted.trained, trained);
    assert_eq!(adapted.parameters, 134_515_008 + trained);
    let step = |part| bytes(&adapted, "step", part);
    assert_eq!([step(Part::Gradient), step(Part::OptimiserState)], [4 * trained, 16 * trained]);
    assert_eq!([step(Part::Adapters), step(Part::NewWeights)], [4 * trained, 8 * trained]);
    assert_eq!(step(Part::PolicyWeights), 4 * 134_515_008);
    assert!(!adapted.parts().contains_key(&Part::Reference));
    assert!(adapted.peak().total() < whole.peak().total());
    assert!(adapted.phase("step").unwrap().total().0 * 8 < whole.phase("step").unwrap().total().0);
}

#[test]
fn activations_are_proportional_to_the_micro_batch() {
    let learning = |micro_batch| {
        let settings = Settings { train: Train { micro_batch, ..Train::default() }, ..settings(Task::Rl(rl())) };
        bytes(&TextPlan::of(&settings, &shapes(SMALL)), "learning", Part::Activations)
    };
    // Cosines and sines do not depend on the number of texts.
    let angles = 4 * 2 * 30 * 64 * (32 + 64);
    assert_eq!(learning(8) - angles, 8 * (learning(1) - angles));
    let (tokens, targets) = (96, 64);
    let before = 29 * (4 * 576 + 2 * (576 + 192) + 5 * 1536);
    // In the last block, keys and values of all tokens, and the rest for the hidden states that are asked for.
    let (at_last, asked) = (2 * 576 + 2 * 192, 3 * 576 + 2 * 576 + 5 * 1536 + 576);
    // When the last block is differentiated: the hidden states that are asked for, and gradients in the perceptron.
    let kept = tokens * (before + at_last) + targets * asked;
    assert_eq!(learning(1) - angles, 4 * (kept + targets * 576 + targets * (2 * 576 + 2 * 1536)));
    // A step has no more than 64 completions.
    assert_eq!(learning(1024), learning(64));
}

#[test]
fn a_pair_is_two_texts() {
    let activations = |task| bytes(&plan(task), "learning", Part::Activations);
    let (pairs, texts) = (Task::Dpo(Dpo::default()), Task::Sft(Sft::default()));
    assert!(activations(pairs) > 19 * activations(texts) / 10);
}

#[test]
fn texts_of_different_lengths_take_less_than_the_longest() {
    let activations = |lengths: [usize; 4], task: Task| {
        let [texts, completions] = [0, 0].map(|_| lengths.into_iter().collect::<Lengths>());
        let plan = TextPlan::of(&settings(task), &Shapes { texts, completions, ..shapes(SMALL) });
        bytes(&plan, "learning", Part::Activations) as f64
    };
    // Lengths with mean 96 and standard deviation 55.4. Eight texts are planned with 8 * 96 + 3 * 55.4 * sqrt(8) tokens. Cosines and sines are
    // for the longest.
    let share = |task: fn() -> Task| activations([64, 64, 64, 192], task()) / activations([192; 4], task());
    let of_texts = share(|| Task::Sft(Sft::default()));
    assert!((of_texts - (768.0 + 470.3) / 1536.0).abs() < 0.002, "{of_texts}");
    // Eight pairs are two texts for each of eight draws.
    let of_pairs = share(|| Task::Dpo(Dpo::default()));
    assert!((of_pairs - of_texts).abs() < 0.002, "{of_pairs}");
}

#[test]
fn data_is_counted_in_all_phases_but_the_first() {
    let plan = TextPlan::of(&settings(Task::Sft(Sft::default())), &Shapes { data: Bytes(1000), ..shapes(SMALL) });
    let counted: Vec<_> = plan.phases.iter().map(|phase| phase.parts.contains_key(&Part::Data)).collect();
    assert!(counted.len() > 4 && !counted[0] && counted[1..].iter().all(|counted| *counted), "{counted:?}");
}

#[test]
fn caches_double_from_the_length_of_the_prompt() {
    // 32 tokens of a prompt and 63 of a completion: the last token is not read. Room is 32, 64, then 128.
    let cache = |tokens| bytes(&plan(Task::Rl(Rl { tokens, ..rl() })), "writing", Part::Cache);
    let of_token = 4 * 64 * 2 * 192 * 30;
    assert_eq!(cache(64), 128 * of_token);
    assert_eq!(cache(33), 64 * of_token);
    assert_eq!(cache(34), 128 * of_token);
}

#[test]
fn a_reward_model_is_counted_besides_the_policy() {
    let with = |rewards: &[RewardShape], kl: f64, lora: Option<Lora>| {
        let shapes = Shapes { rewards: rewards.to_vec(), ..shapes(SMALL) };
        let task = Task::Rl(Rl { kl: Kl { weight: kl, ..Kl::default() }, ..rl() });
        bytes(&TextPlan::of(&Settings { lora, ..settings(task) }, &shapes), "step", Part::RewardModel)
    };
    let (own, adapters) = (RewardShape::Own(SMALL), RewardShape::Adapters(Lora::default()));
    assert_eq!(with(&[], 0.1, None), 0);
    assert_eq!(with(std::slice::from_ref(&own), 0.1, None), 4 * (134_515_008 + 576));
    assert_eq!(with(&[own.clone(), own], 0.1, None), 8 * (134_515_008 + 576));
    // One on the policy's base has adapters of queries and values, and its head. The base is kept for the reference anyway, or is
    // never trained.
    let of_adapters = 4 * (30 * 8 * ((576 + 576) + (576 + 192)) + 576);
    assert_eq!(with(std::slice::from_ref(&adapters), 0.1, None), of_adapters);
    assert_eq!(with(std::slice::from_ref(&adapters), 0.0, Some(Lora::default())), of_adapters);
    assert_eq!(with(&[adapters], 0.0, None), of_adapters + 4 * 134_515_008);
    // The head for tokens is not kept for a reward model.
    let untied =
        Shapes { rewards: vec![RewardShape::Adapters(Lora::default())], ..shapes(Shape { tied: false, ..SMALL }) };
    let no_reference = Task::Rl(Rl { kl: Kl { weight: 0.0, ..Kl::default() }, ..rl() });
    let plan = TextPlan::of(&settings(no_reference), &untied);
    assert_eq!(bytes(&plan, "step", Part::RewardModel), of_adapters + 4 * 134_515_008);
    // A reward model that is trained has no head for tokens, but one for scores.
    let untied = Shape { tied: false, ..SMALL };
    let plan = TextPlan::of(&settings(Task::Reward(RewardModelling::default())), &shapes(untied));
    assert_eq!(plan.trained, 134_515_008 + 576);
}

#[test]
fn a_run_that_is_too_large_is_refused_with_changes_that_fit() {
    let gib = |count: u64| Bytes(count << 30);
    let fixes = |task: Task, train: Train, available| -> DoesNotFit {
        let settings = Settings { train, ..settings(task) };
        let shapes = shapes(SMALL);
        let misfit = TextPlan::of(&settings, &shapes).check(Some(available)).unwrap_err();
        for fix in &misfit.fixes {
            let mut changed = settings.clone();
            fix.apply(&mut changed);
            let plan = TextPlan::of(&changed, &shapes);
            assert_eq!(plan.check(Some(available)), Ok(()));
            assert_eq!(plan.peak().total(), fix.needed);
        }
        misfit
    };
    let keys = |misfit: &DoesNotFit| misfit.fixes.iter().map(|fix| fix.key).collect::<Vec<_>>();

    let long = Rl { tokens: 512, group_size: 16, ..rl() };
    let train = Train { micro_batch: 64, ..Train::default() };
    let misfit = fixes(Task::Rl(long.clone()), train.clone(), gib(20));
    assert_eq!(keys(&misfit), ["train.micro_batch", "task.prompts", "task.group_size", "task.tokens"]);
    assert_eq!(misfit.largest[0].0, Part::Activations);
    let message = misfit.to_string();
    for part in [
        "the run would take ",
        "and 20.0 GiB are available; its largest parts are activations ",
        "`train.micro_batch = 16` (adds up gradients over smaller parts: the same training, but slower) takes ",
        "the memory grows with the weights of the model, `train.micro_batch` (64), ",
    ] {
        assert!(message.contains(part), "{message}");
    }

    let misfit = fixes(Task::Rl(rl()), Train::default(), gib(4));
    assert_eq!(keys(&misfit), ["lora.rank"]);
    let misfit = fixes(Task::Rl(rl()), Train::default(), gib(1));
    assert!(misfit.fixes.is_empty());
    assert!(misfit.to_string().contains("Lowering one setting to a power of two is not enough; "), "{misfit}");
    let misfit = fixes(Task::Sft(Sft { batch: 64, ..Sft::default() }), train, gib(6));
    assert_eq!(keys(&misfit), ["train.micro_batch"]);

    let plan = plan(Task::Rl(rl()));
    assert_eq!(plan.check(None), Ok(()));
    assert_eq!(plan.check(Some(plan.peak().total())), Ok(()));
}

#[test]
fn amounts_beyond_all_memory_do_not_wrap() {
    let most = 1 << 20;
    let task = Rl { prompts: most, group_size: most, tokens: most, ..rl() };
    let train = Train { micro_batch: most, ..Train::default() };
    let plan = TextPlan::of(&Settings { train, ..settings(Task::Rl(task)) }, &shapes(LARGE));
    assert!(plan.peak().total() > Bytes(1 << 60));
    assert!(plan.check(Some(Bytes(1 << 40))).is_err());
}

#[test]
fn the_table_has_parts_and_phases() {
    let table = plan(Task::Rl(rl())).to_string();
    for line in ["part ", "policy weights ", "keys and values ", "phase ", "writing ", "step ", "total ", "trained "] {
        assert!(table.lines().any(|found| found.starts_with(line)), "{line}\n{table}");
    }
    assert!(table.contains("   the peak\n"), "{table}");
    let phases: Vec<_> = plan(Task::Sft(Sft::default())).phases.iter().map(|phase| phase.name).collect();
    assert_eq!(phases, ["loading", "learning", "gradients", "step", "checkpoint", "final figures", "saving"]);
}
