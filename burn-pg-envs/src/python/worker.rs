//! A worker and the environments that it steps.

use std::sync::{Mutex, PoisonError};

use super::{
    process::{Picture, Process, Trouble},
    shared::{Layout, part_bytes},
};
use crate::{Actions, Space};

/// What a worker does with one environment. The numbers are those of `worker/single.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Todo {
    Step = 0,
    ResetSeeded = 1,
    Reset = 2,
    Nothing = 3,
    /// Make the environment once more, and reset it with a seed.
    MakeAnew = 4,
    /// Step, and reset if the episode ends.
    StepAndReset = 5,
}

/// Some consecutive environments, and the process that steps them.
#[derive(Debug)]
pub struct Worker {
    /// Index of its first environment.
    pub first: usize,
    pub layout: Layout,
    /// What is being done with each environment.
    pub todo: Vec<Todo>,
    /// The process, until it is lost.
    process: Mutex<Option<Process>>,
    /// The columns from rewards to observations, as last read.
    bytes: Vec<u8>,
    /// Memory for the bytes of actions, seeds or a final observation.
    scratch: Vec<u8>,
}

impl Worker {
    pub fn new(first: usize, layout: Layout, process: Process) -> Self {
        let (todo, bytes) = (vec![Todo::Step; layout.rows], vec![0; layout.final_observations - layout.rewards]);
        Self { first, layout, todo, process: Mutex::new(Some(process)), bytes, scratch: Vec::new() }
    }

    /// Number of its environments.
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    fn process(&mut self) -> &mut Option<Process> {
        self.process.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the process has to be started once more.
    pub fn is_lost(&mut self) -> bool {
        self.process().is_none()
    }

    pub fn replace(&mut self, process: Process) {
        *self.process() = Some(process);
    }

    /// Ends the process.
    pub fn end(&mut self) {
        *self.process() = None;
    }

    /// Returns the index of the environment that was stepped last, counted from the first one of the worker.
    pub fn current(&mut self) -> usize {
        let mut bytes = [0; 4];
        let at = self.layout.current;
        let read = self.process().as_ref().is_some_and(|process| process.shared().read(&mut bytes, at).is_ok());
        (u32::from_le_bytes(bytes) as usize).min(self.rows() - 1) * usize::from(read)
    }

    /// Asks for a step of every environment, with a reset of those whose episode ends.
    pub fn ask_for_steps(&mut self, actions: Actions<'_>) -> Result<(), Trouble> {
        self.todo.fill(Todo::StepAndReset);
        self.write_actions(actions)?;
        self.ask(b's')
    }

    /// Asks for what [`todo`](Self::todo) says.
    pub fn ask_for_each(&mut self, actions: Option<Actions<'_>>, seeds: &[u64]) -> Result<(), Trouble> {
        if let Some(actions) = actions {
            self.write_actions(actions)?;
        }
        let layout = self.layout;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend(seeds.iter().flat_map(|seed| seed.to_ne_bytes()));
        let written = self.write(&scratch, layout.seeds);
        scratch.clear();
        scratch.extend(self.todo.iter().map(|&todo| todo as u8));
        let written = written.and_then(|()| self.write(&scratch, layout.todo));
        self.scratch = scratch;
        written?;
        self.ask(b't')
    }

    fn ask(&mut self, request: u8) -> Result<(), Trouble> {
        self.process().as_mut().map_or_else(|| Err(gone()), |process| process.ask(request))
    }

    /// Writes the actions of the whole batch that belong to this worker.
    fn write_actions(&mut self, actions: Actions<'_>) -> Result<(), Trouble> {
        let len = self.layout.action_len;
        let own = self.first * len..(self.first + self.rows()) * len;
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        match actions {
            Actions::Discrete(all) | Actions::MultiDiscrete(all) => {
                bytes.extend(all[own].iter().flat_map(|&action| i64::from(action).to_ne_bytes()));
            }
            Actions::MultiBinary(all) => bytes.extend(all[own].iter().map(|&action| u8::from(action))),
            Actions::Continuous(all) => bytes.extend(all[own].iter().flat_map(|action| action.to_ne_bytes())),
        }
        let written = self.write(&bytes, self.layout.actions);
        self.scratch = bytes;
        written
    }

    fn write(&mut self, bytes: &[u8], offset: usize) -> Result<(), Trouble> {
        let Some(process) = self.process() else { return Err(gone()) };
        process.shared().write(bytes, offset).map_err(|error| unshared(&error))
    }

    /// Waits until what was asked for is done, and reads the columns.
    ///
    /// # Errors
    /// What environments raised (the columns have been read), or that the process is lost.
    pub fn answer(&mut self) -> Result<(), Trouble> {
        let rewards = self.layout.rewards;
        let Some(process) = self.process.get_mut().unwrap_or_else(PoisonError::into_inner) else { return Err(gone()) };
        let answer = process.answer();
        if !matches!(answer, Err(Trouble::Lost(_))) {
            process.shared().read(&mut self.bytes, rewards).map_err(|error| unshared(&error))?;
        }
        answer
    }

    pub fn reward(&self, row: usize) -> f64 {
        let at = 8 * row;
        f64::from_ne_bytes(self.bytes[at..at + 8].try_into().expect("a reward has eight bytes"))
    }

    pub fn terminated(&self, row: usize) -> bool {
        self.bytes[self.layout.terminated - self.layout.rewards + row] != 0
    }

    pub fn truncated(&self, row: usize) -> bool {
        self.bytes[self.layout.truncated - self.layout.rewards + row] != 0
    }

    pub fn mask(&self, row: usize) -> impl Iterator<Item = bool> + '_ {
        let begin = self.layout.masks - self.layout.rewards + row * self.layout.mask_len;
        self.bytes[begin..begin + self.layout.mask_len].iter().map(|&flag| flag != 0)
    }

    /// Writes an observation into `numbers`.
    pub fn observation(&self, row: usize, space: &Space, numbers: &mut [f32]) {
        let begin = self.layout.observations - self.layout.rewards + row * self.layout.observation_bytes;
        decode(space, &self.bytes[begin..begin + self.layout.observation_bytes], numbers);
    }

    /// Writes the last observation of an episode into `numbers`.
    pub fn final_observation(&mut self, row: usize, space: &Space, numbers: &mut [f32]) -> Result<(), Trouble> {
        let Layout { final_observations, observation_bytes: len, .. } = self.layout;
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.resize(len, 0);
        let Some(process) = self.process() else { return Err(gone()) };
        let read = process.shared().read(&mut bytes, final_observations + row * len);
        decode(space, &bytes, numbers);
        self.scratch = bytes;
        read.map_err(|error| unshared(&error))
    }

    /// Returns a picture of one environment, if it has one.
    pub fn picture(&self, row: usize) -> Result<Option<Picture>, Trouble> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_mut().map_or_else(|| Err(gone()), |process| process.picture(row))
    }
}

#[cold]
fn gone() -> Trouble {
    Trouble::Lost("it has ended".into())
}

#[cold]
fn unshared(error: &std::io::Error) -> Trouble {
    Trouble::Lost(format!("the memory shared with it: {error}"))
}

/// Reads the parts of an observation.
fn decode(space: &Space, bytes: &[u8], numbers: &mut [f32]) {
    match space {
        Space::Dict { parts } => {
            let (mut bytes, mut numbers) = (bytes, numbers);
            for part in parts {
                let (own, rest) = numbers.split_at_mut(part.space.flat_len());
                decode(&part.space, bytes, own);
                bytes = &bytes[part_bytes(&part.space).next_multiple_of(4)..];
                numbers = rest;
            }
        }
        Space::Image { .. } => {
            for (number, &byte) in numbers.iter_mut().zip(bytes) {
                *number = byte.into();
            }
        }
        _ => {
            for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
                *number = f32::from_ne_bytes(bytes.try_into().expect("chunks have four bytes"));
            }
        }
    }
}
