//! Adapters: compared with PEFT, written and merged.

use burn_pg::{
    burn::{
        module::Module,
        tensor::{DType, Device, TensorData},
    },
    device::Backend,
    envs::EnvRng,
    storage::tensors::{Tensors, from_bytes, into_module, of_module, to_bytes},
};
use burn_pg_lm::{
    Texts,
    generate::{Choice, Limit, Writer, complete},
    model::{
        Lora, Shape, Target, Transformer, adapters_from_peft, adapters_to_peft, fingerprint, load_adapters,
        save_adapters,
    },
    reward::Scorer,
};
use serde_json::{Value, json};

use crate::{
    folder::Random,
    helpers::{assert_close, devices, golden, lists, numbers, tensors, types},
    models::{As, gradients, llama, token_loss, transformer, values},
};

/// The maps of a configuration of PEFT.
fn targets(config: &Value) -> Vec<Target> {
    let names = [
        ("q_proj", Target::Query),
        ("k_proj", Target::Key),
        ("v_proj", Target::Value),
        ("o_proj", Target::Output),
        ("gate_proj", Target::Gate),
        ("up_proj", Target::Up),
        ("down_proj", Target::Down),
    ];
    let of = |name: &Value| names.iter().find(|(theirs, _)| name == theirs).unwrap().1;
    config["target_modules"].as_array().unwrap().iter().map(of).collect()
}

/// Returns a model with the adapters of a recorded case, on a device with autodiff.
fn adapted(case: &Value, data: &Value, device: &Device, dtype: DType) -> Transformer {
    let base = golden("tiny_llama");
    let shape: Shape = llama(&base["config"], false);
    let model = transformer(&shape, tensors(&base["weights"], dtype), &device.clone().autodiff(), dtype);
    let config = &case["adapter_config"];
    let lora = Lora {
        rank: usize::try_from(config["r"].as_u64().unwrap()).unwrap(),
        alpha: config["lora_alpha"].as_f64().unwrap(),
        targets: targets(config),
    };
    assert_eq!(data["base"], "weights of tiny_llama.json, untied");
    let model = model.with_adapters(&lora, 1).map(&mut As(dtype));
    let expected = of_module(&model).unwrap();
    let theirs = tensors(&case["adapter"], dtype);
    let ours = adapters_from_peft(&theirs).unwrap();
    assert!(adapters_to_peft(&ours).unwrap() == theirs);
    into_module(model, ours, &expected).unwrap()
}

#[test]
fn adapters_compute_what_peft_computes() {
    let data = golden("lora");
    let texts: Texts = lists(&data["sequences"]).into_iter().collect();
    for (backend, device) in devices() {
        for &dtype in types(backend) {
            for case in data["cases"].as_array().unwrap() {
                let what = format!("{} {backend} {dtype:?}", case["name"]);
                let expected = &case["expected"];
                let model = adapted(case, &data, &device, dtype);
                let double = if backend == Backend::NdArray { 1e-7 } else { 1e-9 };
                let bound = if dtype == DType::F64 { double } else { 1e-5 };
                let logits = |model: &Transformer| values(model.logits(model.hidden(&texts)));
                assert_close(&logits(&model), &numbers(&expected["logits"]).0, bound, &what);
                let off = model.clone().without_adapters();
                if expected["base_logits_adapter_off"].is_array() {
                    assert_close(&logits(&off), &numbers(&expected["base_logits_adapter_off"]).0, bound, &what);
                }
                assert_close(&logits(&model.clone().merged()), &numbers(&expected["logits"]).0, bound, &what);

                let loss = token_loss(&model, &texts, &numbers(&data["coef"]).0);
                assert_close(&values(loss.clone()), &[expected["loss"].as_f64().unwrap()], bound, &what);
                // Only adapters have gradients.
                let found = adapters_to_peft(&gradients(&model, &loss)).unwrap();
                assert_eq!(found.len(), expected["grads"].as_object().unwrap().len(), "{what}");
                for (name, gradient) in found {
                    let gradient: Vec<f64> = gradient.iter::<f64>().collect();
                    assert_close(&gradient, &numbers(&expected["grads"][&name]).0, bound, &format!("{what} {name}"));
                }
                let count = model.num_params();
                assert_eq!(count as u64, case["trainable_parameters"].as_u64().unwrap(), "{what}");
            }
        }
    }
}

#[test]
fn what_adapters_write_has_the_log_probabilities_that_are_trained_and_the_base_stays() {
    let (_, device) = devices().into_iter().find(|(backend, _)| *backend == Backend::Flex).unwrap();
    let data = golden("lora");
    let model = adapted(&data["cases"][1], &data, &device, DType::F32).valid();
    let writer = Writer::<f32>::new(&model).unwrap();
    let prompts: Texts = [vec![3, 9, 27], vec![5]].into_iter().collect();
    let mut streams: Vec<_> = [1, 2].map(EnvRng::new).into_iter().map(|mut rng| move || rng.next_f64()).collect();
    let written = complete(&writer, &prompts, &Choice::default(), &Limit { tokens: 8, ends: Vec::new() }, &mut streams);
    for (prompt, completion) in prompts.iter().zip(written) {
        let text: Texts = [[prompt, &completion.tokens].concat()].into_iter().collect();
        let hidden = model.hidden(&text).narrow(0, prompt.len() - 1, completion.tokens.len());
        let trained = model.log_probs(hidden, &completion.tokens).into_data();
        assert!(trained.iter::<f32>().eq(completion.log_probs.iter().copied()));
    }
    // Adapters that are new change nothing; their first weights follow from the seed.
    let base = model.clone().without_adapters();
    let new = |seed| base.clone().with_adapters(&Lora::default(), seed);
    let texts: Texts = [[4, 8, 15]].into_iter().collect();
    let hidden = |model: &Transformer| values(model.hidden(&texts));
    assert_eq!(hidden(&new(1)), hidden(&base));
    let weights = |model: &Transformer| of_module(model).unwrap();
    assert!(weights(&new(1)) == weights(&new(1)) && weights(&new(1)) != weights(&new(2)));
    assert_eq!(fingerprint(&base).unwrap(), fingerprint(&base.clone().with_frozen(false)).unwrap());
    assert_ne!(fingerprint(&base).unwrap(), fingerprint(&model.merged()).unwrap());
}

#[test]
fn adapters_that_cannot_be_applied_are_refused() {
    let device = devices().swap_remove(0).1.autodiff();
    let base = golden("tiny_llama");
    let shape: Shape = llama(&base["config"], false);
    let model = transformer(&shape, tensors(&base["weights"], DType::F32), &device, DType::F32);
    let folder = tempfile::tempdir().unwrap();
    let lora = Lora { targets: vec![Target::Query, Target::Value], ..Lora::default() };
    save_adapters(&model.clone().with_adapters(&lora, 1), &lora, "base".as_ref(), folder.path()).unwrap();
    let path = folder.path().join("adapter_config.json");
    let saved: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let load = |key: &str, value: Value| {
        let mut changed = saved.clone();
        changed[key] = value;
        std::fs::write(&path, changed.to_string()).unwrap();
        load_adapters(model.clone(), folder.path()).map(|_| ())
    };
    for (key, value) in [
        ("peft_version", json!("0.18.0")),
        ("megatron_core", json!("megatron.core")),
        ("inference_mode", json!(true)),
        ("use_dora", json!(false)),
        ("trainable_token_indices", json!(null)),
        ("layer_replication", json!([])),
    ] {
        load(key, value).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    for (key, value) in [
        ("use_dora", json!(true)),
        ("use_qalora", json!(true)),
        ("arrow_config", json!({ "top_k": 3 })),
        ("layer_replication", json!([[0, 1]])),
        ("alora_invocation_tokens", json!([5])),
        ("rank_pattern", json!({ "q_proj": 2 })),
        ("bias", json!("all")),
    ] {
        let error = load(key, value).unwrap_err().to_string();
        assert!(error.ends_with(&format!("adapter_config.json: what `{key}` is set to is not supported")), "{error}");
    }
    load("r", json!(8)).unwrap();
    let other = model.clone().map(&mut Random(EnvRng::new(9)));
    let error = load_adapters(other, folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("the adapters were trained on another model, and fit only its weights"), "{error}");
}

#[test]
fn a_reward_model_of_peft_is_read_and_written() {
    let (data, base) = (golden("lora_reward"), golden("tiny_llama"));
    let mut weights = tensors(&base["weights"], DType::F32);
    weights.remove("lm_head.weight");
    let (_, device) = devices().swap_remove(0);
    let model = transformer(&llama(&base["config"], true), weights, &device.autodiff(), DType::F32).valid();
    let [theirs, ours] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let write = |adapters: &Tensors| {
        std::fs::write(theirs.path().join("adapter_config.json"), data["adapter_config"].to_string()).unwrap();
        std::fs::write(theirs.path().join("adapter_model.safetensors"), to_bytes(adapters, None).unwrap()).unwrap();
    };
    let adapters = tensors(&data["adapter"], DType::F32);
    write(&adapters);
    let scorer = Scorer::load_adapters(model.clone(), None, theirs.path()).unwrap();
    let texts: Texts = lists(&data["sequences"]).into_iter().collect();
    assert_close(&values(scorer.scores(&texts)), &numbers(&data["scores"]).0, 1e-5, "scores");

    let lora = Lora { rank: 3, alpha: 6.0, targets: targets(&data["adapter_config"]) };
    scorer.save_adapters(&lora, "tiny_llama".as_ref(), ours.path()).unwrap();
    let saved = std::fs::read(ours.path().join("adapter_model.safetensors")).unwrap();
    assert!(from_bytes(&saved).unwrap() == adapters);
    let again = Scorer::load_adapters(model.clone(), None, ours.path()).unwrap();
    assert_eq!(values(again.scores(&texts)), values(scorer.scores(&texts)));

    // Those of a policy have no head, and the head has one row of finite numbers.
    let error = load_adapters(model.clone(), theirs.path()).unwrap_err().to_string();
    assert!(error.ends_with("what `modules_to_save` is set to is not supported"), "{error}");
    let refused = |score: Option<TensorData>| {
        let mut changed = adapters.clone();
        changed.remove("base_model.model.score.weight");
        changed.extend(score.map(|score| ("base_model.model.score.weight".into(), score)));
        write(&changed);
        Scorer::load_adapters(model.clone(), None, theirs.path()).unwrap_err().to_string()
    };
    assert!(refused(None).ends_with("has no `score.weight`: it is not a reward model"));
    let width = model.shape().width;
    let of = |value: f32, rows: usize| Some(TensorData::new(vec![value; rows * width], [rows, width]));
    assert!(refused(of(1.0, 2)).starts_with("`score.weight` has shape [2, "));
    assert!(refused(of(f32::NAN, 1)).contains("`score.weight` holds NaN"));
}

#[test]
fn a_rank_of_zero_and_no_maps_are_refused() {
    assert_eq!(Lora::default().mistake(), None);
    for wrong in [
        Lora { rank: 0, ..Lora::default() },
        Lora { alpha: 0.0, ..Lora::default() },
        Lora { alpha: f64::NAN, ..Lora::default() },
        Lora { targets: Vec::new(), ..Lora::default() },
    ] {
        assert!(wrong.mistake().unwrap().starts_with("`lora."), "{wrong:?}");
    }
}
