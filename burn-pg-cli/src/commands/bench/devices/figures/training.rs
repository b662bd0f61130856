//! Training from end to end.

use burn_pg::{Config, Trainer};

use super::{ENV, Grid, Kind, Method, Planned, Size, repeated};

const WIDTH: usize = 64;

pub fn figures(grid: &Grid) -> Vec<Planned> {
    let planned = |&envs: &usize| {
        let size = Size { envs, width: WIDTH };
        // One iteration is one update: a rollout, and epochs of minibatches.
        let config = Config::default().with(|config| {
            config.env.name = ENV.into();
            config.env.num_envs = envs;
            config.network.hidden_sizes = vec![WIDTH; 2];
            // More than can be done in the time, so that the learning rate hardly falls.
            config.run.total_steps = 1 << 40;
        });
        Planned {
            kind: Kind::Training,
            name: size.named("environments"),
            size: Some(size),
            amount: (envs * config.rollout.num_steps) as f64,
            cost: envs as f64,
            method: Method::Measure(Box::new(move |device| {
                let mut trainer = Trainer::of(&config.validate()?, device)?;
                Ok(repeated(device, move || {
                    trainer.update()?;
                    Ok(())
                }))
            })),
        }
    };
    grid.trained.iter().map(planned).collect()
}
