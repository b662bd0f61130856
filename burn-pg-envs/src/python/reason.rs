//! Messages for what goes wrong in a worker.

use std::path::Path;

use super::{process::Trouble, setup::Exception};

/// Packages that have another name than the module that they install.
const PACKAGES: [(&str, &str); 6] = [
    ("ale_py", "gymnasium[atari]"),
    ("Box2D", "gymnasium[box2d]"),
    ("cv2", "opencv-python"),
    ("mujoco", "gymnasium[mujoco]"),
    ("PIL", "pillow"),
    ("pygame", "gymnasium[classic-control]"),
];

/// Exceptions whose message says all that there is to know.
const EXPLAINED: [&str; 7] = [
    "DependencyNotInstalled",
    "DeprecatedEnv",
    "NamespaceNotFound",
    "TooOld",
    "Unsupported",
    "UnregisteredEnv",
    "VersionNotFound",
];

/// Returns why a worker or its environments could not be made.
pub fn of_start(trouble: &Trouble, python: &Path) -> String {
    let exception = match trouble {
        Trouble::Lost(reason) => return format!("its worker did not start: {reason}"),
        Trouble::Exceptions(exceptions) => exceptions.first(),
    };
    let Some(exception) = exception else { return "its worker did not say why".into() };
    let python = python.display();
    match &exception.missing {
        Some(module) => {
            let top = module.split('.').next().unwrap_or(module);
            let package = PACKAGES.iter().find(|(module, _)| *module == top).map_or(top, |(_, package)| package);
            format!(
                "`{python}` has no module `{module}`; install it with: {python} -m pip install \"{package}\" (a module of \
                 your own is found from the folder that holds it)"
            )
        }
        None if exception.kind == "NameNotFound" => {
            format!("{} (one that a module of your own registers is named gym:MODULE:NAME)", exception.message)
        }
        None if EXPLAINED.contains(&exception.kind.as_str()) => exception.message.clone(),
        None => of_failure(exception),
    }
}

/// Returns an exception with its traceback.
pub fn of_failure(exception: &Exception) -> String {
    let Exception { kind, message, traceback, .. } = exception;
    format!("{kind}: {message}\n{}", traceback.trim_end())
}

/// Returns why a worker is lost, or what was raised in it.
pub fn of_lost(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Lost(reason) => reason.clone(),
        Trouble::Exceptions(exceptions) => exceptions.first().map_or_else(String::new, of_failure),
    }
}
