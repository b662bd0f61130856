//! The file that a worker and this program share.

use std::{
    fs::File,
    io::{Result, Write},
    path::Path,
};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{EnvSpec, Space};

/// A file in memory where the system has such files, or else among the temporary ones. It is removed when dropped.
#[derive(Debug)]
pub struct Shared {
    file: NamedTempFile,
}

impl Shared {
    /// Creates a file of `size` bytes. All of them are written, so that missing memory is found now, and not by a
    /// signal that ends the worker later. Containers often have little memory for such files; then it is a temporary one.
    pub fn create(size: usize) -> Result<Self> {
        let in_memory = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        builder.prefix("burn-pg-");
        if in_memory.is_dir()
            && let Ok(file) = builder.tempfile_in(in_memory).and_then(|file| filled(file, size))
        {
            return Ok(Self { file });
        }
        Ok(Self { file: filled(builder.tempfile()?, size)? })
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Removes the name of the file where an open file needs none. Otherwise it is removed when it is closed.
    pub fn unlink(&self) {
        #[cfg(unix)]
        let _ = std::fs::remove_file(self.file.path());
    }

    /// Fills `bytes` from `offset` on.
    pub fn read(&self, bytes: &mut [u8], offset: usize) -> Result<()> {
        read_at(self.file.as_file(), bytes, offset as u64)
    }

    /// Writes `bytes` from `offset` on.
    pub fn write(&self, bytes: &[u8], offset: usize) -> Result<()> {
        write_at(self.file.as_file(), bytes, offset as u64)
    }
}

/// Writes `size` zeros to a file.
fn filled(mut file: NamedTempFile, size: usize) -> Result<NamedTempFile> {
    let (mut rest, zeros) = (size, vec![0; size.min(1 << 20)]);
    while rest > 0 {
        let now = rest.min(zeros.len());
        file.write_all(&zeros[..now])?;
        rest -= now;
    }
    Ok(file)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => (bytes, offset) = (&mut bytes[read..], offset + read as u64),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        (bytes, offset) = (&bytes[written..], offset + written as u64);
    }
    Ok(())
}

/// Where each column begins in the file of a worker, in bytes. Those from `rewards` to the end of `observations` are
/// read at once.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Layout {
    /// Environments of the worker.
    #[serde(skip)]
    pub rows: usize,
    /// The environment that is being stepped.
    pub current: usize,
    /// What is to be done with each environment.
    pub todo: usize,
    pub seeds: usize,
    pub actions: usize,
    pub rewards: usize,
    pub terminated: usize,
    pub truncated: usize,
    pub masks: usize,
    pub observations: usize,
    pub final_observations: usize,
    /// Length of the whole file.
    pub size: usize,
    /// Components of an action.
    pub action_len: usize,
    /// Flags of a mask.
    pub mask_len: usize,
    /// Bytes of one observation.
    pub observation_bytes: usize,
}

impl Layout {
    /// Lays out the columns of `rows` environments.
    pub fn new(spec: &EnvSpec, rows: usize) -> Self {
        let mut layout = Self {
            rows,
            action_len: spec.action_space.flat_len(),
            mask_len: spec.mask_len(),
            observation_bytes: observation_bytes(&spec.observation_space),
            ..Self::default()
        };
        let mut end = 0;
        let mut column = |bytes: usize| {
            let begin = end;
            // Eight bytes are the largest element; rows that begin with a cache line are not worth their room.
            end = (begin + bytes).next_multiple_of(8);
            begin
        };
        layout.current = column(4);
        layout.todo = column(rows);
        layout.seeds = column(8 * rows);
        layout.actions = column(action_bytes(&spec.action_space) * rows);
        layout.rewards = column(8 * rows);
        layout.terminated = column(rows);
        layout.truncated = column(rows);
        layout.masks = column(layout.mask_len * rows);
        layout.observations = column(layout.observation_bytes * rows);
        layout.final_observations = column(layout.observation_bytes * rows);
        layout.size = end;
        layout
    }
}

/// Bytes of one action: integers of eight bytes, flags of one, floating-point numbers of four.
fn action_bytes(space: &Space) -> usize {
    let width = match space {
        Space::MultiBinary { .. } => 1,
        Space::Box { .. } => 4,
        _ => 8,
    };
    width * space.flat_len()
}

/// Bytes of one observation: one for each element of an image, four for each element of a box, and gaps so that each
/// part begins at a multiple of four.
fn observation_bytes(space: &Space) -> usize {
    space.parts().into_iter().map(|part| part_bytes(part).next_multiple_of(4)).sum()
}

/// Bytes of one part of an observation, without the gap after it.
pub fn part_bytes(part: &Space) -> usize {
    match part {
        Space::Image { .. } => part.flat_len(),
        _ => 4 * part.flat_len(),
    }
}
