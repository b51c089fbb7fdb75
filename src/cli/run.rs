//! `bellwether run`: the server in the foreground, with signals and the service manager.

use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, Paint};
use crate::ident::Transport;
use crate::service::Service;

/// Enough for the runtime to notice a signal that has come.
const TURN: Duration = Duration::from_millis(1);
/// How often a start looks for a signal while zones load.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long the service manager waits for the next word; it gets one at every look.
const PATIENCE: Duration = Duration::from_secs(20);

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
    let mut signals =
        runtime.block_on(async { Signals::new() }).map_err(|error| format!("signals: {error}"))?;
    let zones = config.zones.len();
    let service = Service::start(config).map_err(|error| error.to_string())?;
    for (address, transport) in service.addresses() {
        match transport {
            Transport::Udp => tracing::info!(%address, "listening"),
            transport => tracing::info!(%address, over = %transport, "listening"),
        }
    }
    if wait_for_zones(&service, || runtime.block_on(signals.ending.arrives_within(TURN))) {
        tracing::info!(zones, "ready");
        tell(&[NotifyState::Ready]);
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        crate::net::sys::give_freed_memory_back();
        runtime.block_on(attend(&service, signals));
    }
    tell(&[NotifyState::Stopping]);
    tracing::info!("stopping");
    service.stop();
    Ok(())
}

/// Waits until the zones answer, however long that takes; `false` if it is to stop before.
fn wait_for_zones(service: &Service, mut stop: impl FnMut() -> bool) -> bool {
    let mut zones = service.zones();
    while !service.wait_until_loaded(&mut zones, LOOK_AGAIN) {
        if stop() {
            return false;
        }
        tell(&[NotifyState::ExtendTimeoutUsec(PATIENCE.as_micros() as u32)]);
    }
    true
}

struct Signals {
    ending: Ending,
    hangup: Signal,
}

/// What ends the server.
struct Ending {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            ending: Ending {
                term: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

impl Ending {
    async fn arrives(&mut self) {
        tokio::select! {
            _ = self.term.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }

    async fn arrives_within(&mut self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.arrives()).await.is_ok()
    }
}

async fn attend(service: &Service, mut signals: Signals) {
    loop {
        tokio::select! {
            () = signals.ending.arrives() => return,
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

/// What our libraries tell of themselves is for those who work on them: only their warnings are shown.
fn log_to_stderr(level: Level, json: bool) {
    let shown =
        Targets::new().with_default(level.min(Level::WARN)).with_target(env!("CARGO_CRATE_NAME"), level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let registry = tracing_subscriber::registry().with(shown);
    if json {
        registry.with(layer.json()).init();
    } else {
        registry.with(layer.with_ansi(colour)).init();
    }
}
