//! Animated GIF files.

use std::io::{self, Write};

use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};

use super::{Picture, palette};

/// A writer of an animated GIF that repeats endlessly. Requires the feature `raster`.
///
/// Each frame contains only the rectangle of pixels that have changed. Colours are exact if at most 255 of them change
/// in a frame, as in pictures of a few shapes; rarer colours than these become the nearest of them.
///
/// ```
/// use burn_pg_envs::{Actions, VectorEnv, make, render::Gif};
///
/// let mut envs = make("CartPole-v1", 1)?;
/// let mut gif = Gif::new(Vec::new(), 2);
/// for _ in 0..10 {
///     gif.push(&envs.render(0).unwrap().rasterise(400))?;
///     envs.step(Actions::Discrete(&[1]))?;
/// }
/// assert!(gif.finish()?.starts_with(b"GIF89a"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Gif<W: Write> {
    file: File<W>,
    delay: u16,
}

/// The file, which begins with the size of the first frame.
enum File<W: Write> {
    Empty(W),
    Started {
        encoder: Encoder<W>,
        last: Picture,
    },
    /// Writing the header has failed.
    Failed,
}

/// An error of an animation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GifError {
    /// A picture has another size than the first one.
    #[error("a frame is {width} x {height} pixels, but the first one was {first_width} x {first_height}")]
    Size {
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
        /// Width of the first picture.
        first_width: u32,
        /// Height of the first picture.
        first_height: u32,
    },
    /// A picture is empty, too large for a GIF, or has another number of bytes than its size needs.
    #[error(
        "a picture of {width} x {height} pixels with {bytes} bytes cannot be a frame; sides must be 1 to 65535 pixels, \
         with 3 bytes per pixel"
    )]
    Picture {
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
        /// Number of bytes of the picture.
        bytes: usize,
    },
    /// The animation has no frames.
    #[error("the animation has no frames; push at least one before `finish`")]
    Empty,
    /// The file cannot be written.
    #[error("the animation cannot be written: {0}")]
    Write(#[from] io::Error),
}

impl<W: Write> Gif<W> {
    /// Creates a writer to `output` that shows each frame for `delay` hundredths of a second. Most programs show delays
    /// below 2 as 10.
    #[must_use]
    pub fn new(output: W, delay: u16) -> Self {
        Self { file: File::Empty(output), delay }
    }

    /// Sets how long the frames that follow are shown, in hundredths of a second: for example, a second for the last
    /// frame of an episode.
    pub fn set_delay(&mut self, delay: u16) {
        self.delay = delay;
    }

    /// Appends a frame. All frames have the size of the first.
    ///
    /// # Errors
    /// [`GifError::Size`] if the size is another one, [`GifError::Picture`] if the picture cannot be a frame: nothing has
    /// been written then. [`GifError::Write`] if writing fails.
    pub fn push(&mut self, picture: &Picture) -> Result<(), GifError> {
        let size = checked_size(picture)?;
        let changed = match &self.file {
            File::Empty(_) => Rectangle { left: 0, top: 0, width: size.0, height: size.1 },
            File::Started { last, .. } => {
                if (last.width, last.height) != (picture.width, picture.height) {
                    return Err(GifError::Size {
                        width: picture.width,
                        height: picture.height,
                        first_width: last.width,
                        first_height: last.height,
                    });
                }
                Rectangle::of_changes(last, picture)
            }
            File::Failed => return Err(already_failed()),
        };
        let frame = self.frame(picture, changed);
        self.write(picture, size, &frame)
    }

    /// Ends the file and returns the output. A file that is dropped instead is ended too, but errors are ignored.
    ///
    /// # Errors
    /// [`GifError::Empty`] if there are no frames, [`GifError::Write`] if writing fails.
    pub fn finish(self) -> Result<W, GifError> {
        match self.file {
            File::Empty(_) => Err(GifError::Empty),
            File::Started { encoder, .. } => {
                let mut output = encoder.into_inner().map_err(io_error)?;
                output.flush()?;
                Ok(output)
            }
            File::Failed => Err(already_failed()),
        }
    }

    /// Returns the frame that changes the pixels within `changed` to those of `picture`.
    fn frame(&self, picture: &Picture, changed: Rectangle) -> Frame<'static> {
        let last = match &self.file {
            File::Started { last, .. } => Some(last),
            _ => None,
        };
        let rows = usize::from(changed.top)..usize::from(changed.top) + usize::from(changed.height);
        let pixels = rows.flat_map(|row| {
            let ours = changed.row(picture, row);
            let before = last.map(|last| changed.row(last, row));
            ours.iter().enumerate().map(move |(i, &pixel)| {
                let is_same = before.is_some_and(|before| before[i] == pixel);
                (!is_same).then_some(pixel)
            })
        });
        let indexed = palette::index(pixels);
        Frame {
            delay: self.delay,
            dispose: DisposalMethod::Keep,
            transparent: Some(indexed.transparent),
            top: changed.top,
            left: changed.left,
            width: changed.width,
            height: changed.height,
            palette: Some(indexed.palette),
            buffer: indexed.pixels.into(),
            ..Frame::default()
        }
    }

    fn write(&mut self, picture: &Picture, size: (u16, u16), frame: &Frame<'_>) -> Result<(), GifError> {
        if let File::Started { encoder, last } = &mut self.file {
            encoder.write_frame(frame).map_err(io_error)?;
            last.rgb.copy_from_slice(&picture.rgb);
            return Ok(());
        }
        let File::Empty(output) = std::mem::replace(&mut self.file, File::Failed) else {
            return Err(already_failed());
        };
        let mut encoder = Encoder::new(output, size.0, size.1, &[]).map_err(io_error)?;
        encoder.set_repeat(Repeat::Infinite).map_err(io_error)?;
        encoder.write_frame(frame).map_err(io_error)?;
        self.file = File::Started { encoder, last: picture.clone() };
        Ok(())
    }
}

/// Returns the width and height of a picture that can be a frame.
fn checked_size(picture: &Picture) -> Result<(u16, u16), GifError> {
    let side = |side: u32| u16::try_from(side).ok().filter(|&side| side > 0);
    let &Picture { width, height, ref rgb } = picture;
    match (side(width), side(height)) {
        (Some(columns), Some(rows)) if rgb.len() == 3 * usize::from(columns) * usize::from(rows) => Ok((columns, rows)),
        _ => Err(GifError::Picture { width, height, bytes: rgb.len() }),
    }
}

fn io_error(error: EncodingError) -> GifError {
    GifError::Write(match error {
        EncodingError::Io(error) => error,
        other => io::Error::other(other),
    })
}

fn already_failed() -> GifError {
    GifError::Write(io::Error::other("writing its first frame has failed"))
}

/// A rectangle of a picture, in pixels.
#[derive(Clone, Copy)]
struct Rectangle {
    left: u16,
    top: u16,
    width: u16,
    height: u16,
}

impl Rectangle {
    /// Returns the smallest rectangle that contains every pixel in which two pictures of one size differ. A frame cannot
    /// be empty: without differences, the rectangle is one pixel.
    #[allow(clippy::cast_possible_truncation)] // both sides have been checked
    fn of_changes(before: &Picture, after: &Picture) -> Self {
        let width = after.width as usize;
        let (mut top, mut bottom, mut left, mut right) = (usize::MAX, 0, usize::MAX, 0);
        for (row, (before, after)) in rows(before).zip(rows(after)).enumerate() {
            if before == after {
                continue;
            }
            let differs = |column: &usize| before[*column] != after[*column];
            top = top.min(row);
            bottom = row;
            left = (0..left.min(width)).find(differs).unwrap_or(left);
            right = (right..width).rev().find(differs).unwrap_or(right);
        }
        if top == usize::MAX {
            return Self { left: 0, top: 0, width: 1, height: 1 };
        }
        let (width, height) = (right - left + 1, bottom - top + 1);
        Self { left: left as u16, top: top as u16, width: width as u16, height: height as u16 }
    }

    /// Returns the part of row `row` of `picture` that lies in the rectangle.
    fn row(self, picture: &Picture, row: usize) -> &[[u8; 3]] {
        let start = row * picture.width as usize + usize::from(self.left);
        &pixels(picture)[start..start + usize::from(self.width)]
    }
}

fn rows(picture: &Picture) -> impl Iterator<Item = &[[u8; 3]]> {
    pixels(picture).chunks_exact(picture.width as usize)
}

fn pixels(picture: &Picture) -> &[[u8; 3]] {
    picture.rgb.as_chunks().0
}
