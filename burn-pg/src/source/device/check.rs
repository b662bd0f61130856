//! Compares an environment on a GPU with the same one on the host.

use burn::tensor::{Device, Tensor, TensorData};
use burn_pg_envs::{ActionBuffer, Env, EnvAction, EnvRng, device::DeviceTask};

use crate::{
    device::readback::read,
    kernel::cube::{Buffer, client, trace},
    source::OffDevice,
};

/// Number of environments and of steps that are compared.
const ENVS: usize = 64;
const STEPS: usize = 200;

/// The first step in which the two forms of an environment differ.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "step {step} of environment {env}, from the state {state:?} with the action {action:?}: the {what} is {device} on the GPU, \
     but {host} on the host"
)]
pub struct DeviceDifference {
    /// What differs.
    pub what: String,
    /// On the GPU.
    pub device: f64,
    /// On the host.
    pub host: f64,
    /// The state on the GPU before the step.
    pub state: Vec<f32>,
    /// The action.
    pub action: Vec<f32>,
    /// Index of the environment.
    pub env: usize,
    /// Index of the step.
    pub step: usize,
}

/// Why [`check_device_env`] failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceCheckError {
    /// The forms differ.
    #[error(transparent)]
    Differs(#[from] Box<DeviceDifference>),
    /// The device is not a GPU.
    #[error(transparent)]
    OffDevice(#[from] OffDevice),
    /// The environment or the device has failed.
    #[error("{0}")]
    Failed(String),
}

/// Compares the two forms of an environment: plays 200 steps of 64 environments on the GPU with random actions, and takes each of
/// these steps on the host too, from the same state. Random numbers within a step are not the same. `on_host` creates the environment on the host from a state of the GPU.
/// Observations and rewards may differ by `tolerance`, relative to the larger of 1 and their magnitude; flags must not.
///
/// # Errors
/// [`DeviceCheckError`]
pub fn check_device_env<E: DeviceTask + Env>(
    on_host: impl Fn(&[f32]) -> E,
    tolerance: f64,
    device: &Device,
) -> Result<(), DeviceCheckError> {
    if E::STATE == 0 {
        return Err(DeviceCheckError::Failed("the state has no elements".into()));
    }
    let device = device.clone().without_autodiff();
    let client = client(&Tensor::empty([1], &device)).ok_or(OffDevice::NoGpu)?;
    let spec = E::specification();
    let (inputs, components) = (spec.observation_space.flat_len(), spec.action_space.flat_len());
    let actions = ActionBuffer::random(&spec.action_space, ENVS * STEPS, &mut EnvRng::new(0));
    let numbers = numbers(&actions);
    let of_actions = Tensor::<1>::from_data(TensorData::from(&numbers[..]), &device);
    let [states, outcomes] = [E::STATE, inputs + 2].map(|width| Tensor::<1>::empty([ENVS * STEPS * width], &device));
    let buffer = |tensor: &Tensor<1>| Buffer::of(tensor.clone()).ok_or(OffDevice::NoGpu);
    let buffers = (buffer(&of_actions)?, buffer(&states)?, buffer(&outcomes)?);
    trace::<E>(&client, &buffers.0, &buffers.1, &buffers.2, [STEPS, ENVS], [inputs, components]);
    let [states, outcomes] = read([states, outcomes]).map_err(|error| DeviceCheckError::Failed(error.to_string()))?;

    let mut observation = vec![0.0; inputs];
    for (row, (state, device)) in states.chunks(E::STATE).zip(outcomes.chunks(inputs + 2)).enumerate() {
        let action = <E::Action as EnvAction>::read(&actions.as_actions(), row, components);
        let step = on_host(state).step(action, &mut EnvRng::new(0), &mut observation);
        let flags = f64::from(u8::from(step.terminated) + 2 * u8::from(step.truncated));
        let host = observation.iter().copied().map(f64::from).chain([step.reward, flags]);
        let pairs = host.zip(device.iter().copied().map(f64::from)).enumerate();
        for (i, (host, device)) in pairs {
            let what = match i {
                i if i < inputs => format!("element {i} of the observation"),
                i if i == inputs => "reward".to_owned(),
                _ => "sum of flags (1: terminated, 2: truncated)".to_owned(),
            };
            let allowed = if i > inputs { 0.0 } else { tolerance * host.abs().max(1.0) };
            let differs = (host - device).abs() > allowed || host.is_nan() != device.is_nan();
            if differs {
                let action = numbers[row * components..(row + 1) * components].to_vec();
                let (env, step, state) = (row % ENVS, row / ENVS, state.to_vec());
                return Err(Box::new(DeviceDifference { what, device, host, state, action, env, step }).into());
            }
        }
    }
    Ok(())
}

/// Returns actions as numbers.
fn numbers(actions: &ActionBuffer) -> Vec<f32> {
    #[allow(clippy::cast_precision_loss)] // numbers of actions are small
    match actions {
        ActionBuffer::Discrete(actions) | ActionBuffer::MultiDiscrete(actions) => {
            actions.iter().map(|&action| action as f32).collect()
        }
        ActionBuffer::MultiBinary(actions) => actions.iter().map(|&action| f32::from(u8::from(action))).collect(),
        ActionBuffer::Continuous(actions) => actions.clone(),
    }
}
