//! `bellwether run`: the server in the foreground, with signals and the service manager.

use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Level;

use crate::config::{Config, Paint};
use crate::service::Service;

/// How long the start may take before the service manager hears of it all the same.
const LOADING_MAX: Duration = Duration::from_secs(3600);
/// How often the service manager is asked for more time while zones load.
const LOADING_STEP: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(path: &Path, level: Level, json: bool) -> Result<(), String> {
    let config = Config::load(path).map_err(|error| error.render(Paint::Styled))?;
    log_to_stderr(level, json);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    // The handlers must stand before anything runs, or an early SIGTERM would not stop cleanly.
    let signals = runtime.block_on(async { Signals::new() }).map_err(|error| format!("signals: {error}"))?;
    let zones = config.zones.len();
    let service = Service::start(config).map_err(|error| error.to_string())?;
    for address in service.addresses() {
        tracing::info!(%address, "listening");
    }
    wait_for_zones(&service);
    tracing::info!(zones, "ready");
    tell(&[NotifyState::Ready]);
    runtime.block_on(attend(&service, signals));
    tell(&[NotifyState::Stopping]);
    tracing::info!("stopping");
    service.stop();
    Ok(())
}

fn wait_for_zones(service: &Service) {
    let mut waited = Duration::ZERO;
    while !service.wait_until_loaded(LOADING_STEP) && waited < LOADING_MAX {
        waited += LOADING_STEP;
        tell(&[NotifyState::ExtendTimeoutUsec((2 * LOADING_STEP).as_micros() as u32)]);
    }
}

struct Signals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

async fn attend(service: &Service, mut signals: Signals) {
    loop {
        tokio::select! {
            _ = signals.term.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => reload(service),
        }
    }
}

fn reload(service: &Service) {
    tell(&[NotifyState::Reloading]);
    match service.reload() {
        Ok(text) => tracing::info!("{text}"),
        Err(text) => tracing::error!("{text}"),
    }
    tell(&[NotifyState::Ready]);
}

/// Tells the service manager; without one there is nobody to tell.
fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

fn log_to_stderr(level: Level, json: bool) {
    let builder =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if json {
        builder.json().init();
    } else {
        builder.with_ansi(colour).init();
    }
}
