//! Tests of the public interface of the library, most of them against values recorded from established programs.
//!
//! Tests of tensor code run on every compiled backend that finds an adapter: in single precision, and on CPU backends also
//! in double precision.

mod activation;
mod agent;
mod autoreset;
mod bad_numbers;
mod categorical;
mod choices;
mod circles;
mod collector;
mod component_actions;
mod conjugate_gradient;
mod distributions;
mod encoders;
mod estimators;
mod exact_gradients;
mod export;
mod faults;
mod fused;
mod gae;
mod golden;
mod gone_directory;
mod group_baselines;
mod helpers;
mod host_policy;
mod hostile;
mod images;
mod import;
mod kernels;
mod kl_to_reference;
mod learner;
mod loss_gradients;
mod misfit;
mod network;
mod normalisation;
mod objective;
#[cfg(feature = "cube")]
mod on_device;
mod optimisers;
mod own_source;
mod pg_a2c_loss;
mod plan;
mod policy_with_learner;
mod ppo_loss;
mod ppo_update;
mod precision;
mod recorded_minibatch;
mod recorded_update;
mod recurrent;
mod reference;
mod resume;
mod returns;
mod run;
mod samples;
mod sb3_update;
mod schedule;
mod settings;
mod start;
mod state_dependent;
mod token_losses;
mod trajectory;
mod trust_region;
mod vector_env;
mod vtrace;
mod weights;
