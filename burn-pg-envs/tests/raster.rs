//! Pictures as pixels, compared with frames of Gymnasium, and as files that are read back.

use std::{fs, io, path::PathBuf};

use burn_pg_envs::{
    Actions, Env, VectorEnv,
    classic::{Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum},
    make,
    render::{Colour, Gif, GifError, Picture, Scene, Shape},
};
use serde::Deserialize;

/// A frame of Gymnasium, recorded by `recorded/frames.py`.
#[derive(Deserialize)]
struct Frame {
    task: String,
    state: Vec<f64>,
    file: String,
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "recorded", "frames"].iter().collect()
}

fn scene_of(task: &str, state: &[f64]) -> Scene {
    fn set<const N: usize>(mut env: impl Env<State = [f64; N]>, state: &[f64]) -> Scene {
        env.set_state(state.try_into().unwrap());
        env.render().unwrap()
    }
    match task {
        "CartPole-v1" => set(CartPole::default(), state),
        "Acrobot-v1" => set(Acrobot::default(), state),
        "MountainCar-v0" => set(MountainCar::default(), state),
        "MountainCarContinuous-v0" => set(MountainCarContinuous::default(), state),
        "Pendulum-v1" => set(Pendulum::default(), state),
        _ => panic!("{task}"),
    }
}

fn read_png(file: &[u8]) -> Picture {
    let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    Picture { width: info.width, height: info.height, rgb }
}

/// Returns the frames of a GIF as a viewer shows them.
fn read_gif(file: &[u8]) -> Vec<Picture> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(file).unwrap();
    assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let mut screen = vec![0; 3 * width * height];
    let mut frames = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        assert_eq!((frame.delay, frame.dispose), (2, gif::DisposalMethod::Keep));
        for (row, pixels) in frame.buffer.chunks_exact(4 * usize::from(frame.width)).enumerate() {
            for (column, pixel) in pixels.chunks_exact(4).enumerate().filter(|(_, pixel)| pixel[3] > 0) {
                let at = (row + usize::from(frame.top)) * width + column + usize::from(frame.left);
                screen[3 * at..3 * at + 3].copy_from_slice(&pixel[..3]);
            }
        }
        frames.push(Picture { width: decoder.width().into(), height: decoder.height().into(), rgb: screen.clone() });
    }
    frames
}

fn written(frames: &[Picture]) -> Vec<u8> {
    let mut gif = Gif::new(Vec::new(), 2);
    for frame in frames {
        gif.push(frame).unwrap();
    }
    gif.finish().unwrap()
}

/// Returns the share of pixels of which a colour differs by more than 48.
fn different(ours: &Picture, theirs: &Picture) -> f64 {
    let pixels = ours.rgb.chunks_exact(3).zip(theirs.rgb.chunks_exact(3));
    let differs = |(ours, theirs): &(&[u8], &[u8])| ours.iter().zip(*theirs).any(|(a, b)| a.abs_diff(*b) > 48);
    share(pixels.filter(differs).count(), ours)
}

/// Returns the share of pixels that are no mixture of the same pixel of `other` and its neighbours, by more than 48.
fn misplaced(picture: &Picture, other: &Picture) -> f64 {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let is_misplaced = |&(row, column): &(usize, usize)| {
        let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        (0..3).any(|colour| {
            let rows = around(row, height).flat_map(|row| around(column, width).map(move |column| (row, column)));
            let near = rows.map(|(row, column)| other.rgb[3 * (row * width + column) + colour]);
            let (low, high) = near.fold((255, 0), |(low, high), value| (value.min(low), value.max(high)));
            let ours = picture.rgb[3 * (row * width + column) + colour];
            ours < low.saturating_sub(48) || ours > high.saturating_add(48)
        })
    };
    let all = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    share(all.filter(is_misplaced).count(), picture)
}

fn share(pixels: usize, picture: &Picture) -> f64 {
    pixels as f64 / (f64::from(picture.width) * f64::from(picture.height))
}

/// Largest share of pixels that may differ from Gymnasium's. Measured: at most 0.0023, at the borders of the acrobot's links.
/// Gymnasium cuts coordinates to whole pixels, and its polygons contain their border, which makes them a pixel wider.
const DIFFERENT: f64 = 0.003;
/// Largest share of pixels that may differ by more than such a border. Measured: at most 0.000052, where a cut coordinate
/// moves a corner. An axle of another colour has 0.0003.
const MISPLACED: f64 = 0.0001;

#[test]
fn frames_differ_from_those_of_gymnasium_only_at_edges() {
    let frames: Vec<Frame> = serde_json::from_slice(&fs::read(folder().join("frames.json")).unwrap()).unwrap();
    assert_eq!(frames.len(), 14);
    for Frame { task, state, file } in frames {
        let theirs = read_png(&fs::read(folder().join(&file)).unwrap());
        let ours = scene_of(&task, &state).rasterise(theirs.width);
        assert_eq!((ours.width, ours.height), (theirs.width, theirs.height), "{file}");
        let shares = [different(&ours, &theirs), misplaced(&ours, &theirs), misplaced(&theirs, &ours)];
        let is_close = shares[0] <= DIFFERENT && shares[1..].iter().all(|share| *share <= MISPLACED);
        assert!(is_close, "{file}: {shares:?}");
    }
}

#[test]
fn the_comparison_notices_a_cart_that_is_two_pixels_off() {
    let theirs = read_png(&fs::read(folder().join("cartpole-0.png")).unwrap());
    let moved = scene_of("CartPole-v1", &[2.5 / 125.0, 0.0, 0.0, 0.0]).rasterise(theirs.width);
    assert!(misplaced(&moved, &theirs) > MISPLACED);
}

fn square(corner: [f32; 2], colour: Colour) -> Shape {
    Shape::rectangle(corner, [2.0, 2.0], colour)
}

#[test]
fn shapes_cover_exactly_their_pixels() {
    let red = Colour([255, 0, 0]);
    let scene = Scene { background: Colour([1, 2, 3]), ..Scene::new(4.0, 2.0, vec![square([2.0, 0.0], red)]) };
    let row = [1, 2, 3, 1, 2, 3, 255, 0, 0, 255, 0, 0];
    assert_eq!(scene.rasterise(4), Picture { width: 4, height: 2, rgb: row.repeat(2) });
    let picture = scene.rasterise(8);
    assert_eq!((picture.width, picture.height), (8, 4));
    assert_eq!(picture.rgb[3 * 3..3 * 5], [1, 2, 3, 255, 0, 0]);
}

#[test]
fn thin_lines_stay_visible_in_small_pictures() {
    let line = Shape::Line { points: vec![[0.0, 50.0], [100.0, 50.0]], width: 1.0, colour: Colour::BLACK };
    let picture = Scene::new(100.0, 100.0, vec![line]).rasterise(10);
    let column: Vec<u8> = picture.rgb.chunks_exact(30).map(|row| row[15]).collect();
    let ink: u32 = column.iter().map(|&pixel| u32::from(255 - pixel)).sum();
    assert!(ink.abs_diff(255) < 8, "one pixel of black: {column:?}");
}

#[test]
fn shapes_without_an_area_or_with_numbers_that_are_not_finite_are_left_out() {
    let colour = Colour::BLACK;
    let shapes = vec![
        Shape::Polygon { points: Vec::new(), colour },
        Shape::Polygon { points: vec![[0.0, 0.0], [f32::NAN, 2.0], [2.0, 2.0]], colour },
        Shape::Line { points: vec![[1.0, 1.0]], width: 1.0, colour },
        Shape::Line { points: vec![[0.0, 0.0], [2.0, 2.0]], width: f32::NAN, colour },
        Shape::Line { points: vec![[0.0, 0.0], [f32::INFINITY, 2.0]], width: 1.0, colour },
        Shape::Circle { centre: [2.0, f32::INFINITY], radius: 1.0, colour },
        Shape::Circle { centre: [2.0, 2.0], radius: -1.0, colour },
        square([-1e30, 1e30], colour),
    ];
    for shape in shapes {
        let picture = Scene::new(4.0, 4.0, vec![shape.clone()]).rasterise(4);
        assert_eq!(picture.rgb, [255; 48], "{shape:?}");
    }
}

#[test]
#[should_panic(expected = "a scene of 0 x 4 pixels has no size")]
fn a_scene_without_a_size_is_refused() {
    let _ = Scene::new(0.0, 4.0, Vec::new()).rasterise(4);
}

#[test]
fn a_png_is_read_back() {
    for task in ["CartPole-v1", "Pendulum-v1"] {
        let picture = make(task, 1).unwrap().render(0).unwrap().rasterise(333);
        assert_eq!(read_png(&picture.png()), picture, "{task}");
    }
}

#[test]
fn a_gif_is_read_back() {
    let mut envs = make("CartPole-v1", 1).unwrap();
    let mut frames = Vec::new();
    for step in 0..60 {
        frames.push(envs.render(0).unwrap().rasterise(300));
        envs.step(Actions::Discrete(&[step / 3 % 2])).unwrap();
    }
    // A frame without changes, too.
    frames.push(frames[59].clone());
    let file = written(&frames);
    assert!(read_gif(&file) == frames);
    assert_eq!(file, written(&frames), "the same frames give the same file");
}

#[test]
fn only_pixels_that_have_changed_are_written() {
    let at = |corner| Scene::new(40.0, 20.0, vec![square(corner, Colour::BLACK)]).rasterise(40);
    let file = written(&[at([1.0, 3.0]), at([5.0, 4.0])]);
    let mut decoder = gif::DecodeOptions::new().read_info(&file[..]).unwrap();
    decoder.read_next_frame().unwrap();
    let frame = decoder.read_next_frame().unwrap().unwrap();
    assert_eq!((frame.left, frame.top, frame.width, frame.height), (1, 3, 6, 3));
}

#[test]
fn a_gif_keeps_frequent_colours_and_approximates_rare_ones() {
    // A thousand shades of one pixel each, on blue.
    let mut rgb = [0, 0, 255].repeat(4000);
    for (pixel, shade) in rgb.chunks_exact_mut(3).zip(0u16..1000) {
        let [green, red] = (shade / 4 * 256 + shade % 4).to_le_bytes();
        pixel.copy_from_slice(&[red, green, 0]);
    }
    let picture = Picture { width: 100, height: 40, rgb };
    let shown = read_gif(&written(std::slice::from_ref(&picture))).remove(0);
    assert_eq!(shown.rgb[3000..], picture.rgb[3000..]);
    assert!(shown.rgb[..3].iter().zip(&picture.rgb).all(|(shown, given)| shown.abs_diff(*given) < 4));
}

#[test]
fn an_animation_of_unequal_broken_or_no_frames_is_refused() {
    let picture = |width, height, bytes| Picture { width, height, rgb: vec![7; bytes] };
    assert!(matches!(Gif::new(Vec::new(), 2).finish(), Err(GifError::Empty)));
    let mut gif = Gif::new(Vec::new(), 2);
    for broken in [picture(0, 4, 0), picture(2, 2, 11), picture(65_536, 1, 3 * 65_536)] {
        let error = gif.push(&broken).unwrap_err();
        assert!(matches!(error, GifError::Picture { .. }), "{error}");
    }
    gif.push(&picture(2, 2, 12)).unwrap();
    let error = gif.push(&picture(2, 1, 6)).unwrap_err();
    assert_eq!(error.to_string(), "a frame is 2 x 1 pixels, but the first one was 2 x 2");
    assert_eq!(read_gif(&gif.finish().unwrap()).len(), 1, "what was refused is not written");
}

#[test]
fn an_output_that_fails_is_reported() {
    /// Accepts a number of bytes.
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let picture = Picture { width: 2, height: 2, rgb: vec![7; 12] };
    for room in [0, 20, 50] {
        let mut gif = Gif::new(Full(room), 2);
        let outcome = (0..9).try_for_each(|_| gif.push(&picture));
        let Err(GifError::Write(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(room > 20 || matches!(gif.push(&picture), Err(GifError::Write(_))));
    }
}

#[test]
fn an_animation_of_five_hundred_steps_is_small() {
    let mut envs = make("CartPole-v1", 1).unwrap();
    let mut gif = Gif::new(Vec::new(), 2);
    for step in 0..500 {
        gif.push(&envs.render(0).unwrap().rasterise(400)).unwrap();
        envs.step(Actions::Discrete(&[step % 2])).unwrap();
    }
    let bytes = gif.finish().unwrap().len();
    assert!(bytes < 400_000, "{bytes} bytes");
}
