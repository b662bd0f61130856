//! Tests of the library as its users see it, most of them against numbers from the field's own programs.
//!
//! Tests of tensor code run on every backend that was compiled in and finds an adapter, in single precision, and on
//! those that have it in double precision too.

mod activation;
mod agent;
mod autoreset;
mod bad_numbers;
mod categorical;
mod choices;
mod collector;
mod component_actions;
mod conjugate_gradient;
mod distributions;
mod encoders;
mod estimators;
mod exact_gradients;
mod export;
mod faults;
mod gae;
mod golden;
mod group_baselines;
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
mod optimisers;
mod pg_a2c_loss;
mod plan;
mod ppo_loss;
mod ppo_update;
mod precision;
mod pupil;
mod recorded_minibatch;
mod recorded_update;
mod recurrent;
mod resume;
mod returns;
mod run;
mod samples;
mod sb3_update;
mod schedule;
mod state_dependent;
mod trajectory;
mod trust_region;
mod vector_env;
mod vtrace;
