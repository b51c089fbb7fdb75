//! `bellwether demo`: a primary and a secondary on loopback, in one process, to try things with.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Config, Paint, Role};
use crate::dns::{Name, Serial};
use crate::engine::Engine;
use crate::env::{OsRandom, Random};
use crate::service::Service;

/// The zones that the demo brings along, for a folder that does not exist yet.
const ZONES: [(&str, &str); 2] = [
    ("example.com.zone", include_str!("../../zones/example.com.zone")),
    ("2.0.192.in-addr.arpa.zone", include_str!("../../zones/2.0.192.in-addr.arpa.zone")),
];
/// The ports that the demo likes best.
const PORTS: [u16; 2] = [5300, 5301];
/// How long the demo waits for a change to reach the secondary before it says so.
const REACH_MAX: Duration = Duration::from_secs(60);

/// Runs until Ctrl-C.
pub(super) fn demo(zones: &Path) -> Result<(), String> {
    let zones = zone_folder(zones).map_err(|error| format!("{}: {error}", zones.display()))?;
    let state = tempfile_folder().map_err(|error| format!("cannot make a folder for the demo: {error}"))?;
    let result = pair(&zones, &state);
    // The demo keeps nothing; a rest that cannot be removed is only litter.
    let _ = fs::remove_dir_all(&state);
    result
}

fn pair(zones: &Path, state: &Path) -> Result<(), String> {
    let ports = ports().map_err(|error| format!("no free port: {error}"))?;
    if ports != PORTS {
        println!(
            "Ports {} and {} are not both free; taking {} and {}.",
            PORTS[0], PORTS[1], ports[0], ports[1]
        );
    }
    let configs = configs(zones, ports);
    let [primary, secondary] = ["primary", "secondary"].map(|name| state.join(format!("{name}.toml")));
    fs::write(&primary, &configs[0]).map_err(|error| format!("{}: {error}", primary.display()))?;
    let config = Config::load(&primary).map_err(|error| error.render(Paint::Styled))?;
    if config.zones.is_empty() {
        return Err(format!("{}: no zone file in it", zones.display()));
    }
    let text = configs[1].clone() + &secondary_zones(&config);
    fs::write(&secondary, text).map_err(|error| format!("{}: {error}", secondary.display()))?;
    let follower = Config::load(&secondary).map_err(|error| error.render(Paint::Styled))?;

    let followed = config.clone();
    let primary = Service::start(config).map_err(|error| error.to_string())?;
    let secondary = match Service::start(follower) {
        Ok(secondary) => secondary,
        Err(error) => {
            primary.stop();
            return Err(error.to_string());
        }
    };
    primary.wait_until_loaded(&mut primary.zones(), REACH_MAX);
    greet(zones, ports, &followed);
    for zone in &followed.zones {
        if let Role::Primary(role) = &zone.role {
            report(
                zone.name.clone(),
                role.file.clone(),
                primary.engine().clone(),
                secondary.engine().clone(),
            );
        }
    }
    let waited = wait_for_interrupt();
    println!("\nStopping.");
    secondary.stop();
    primary.stop();
    waited.map_err(|error| format!("signals: {error}"))
}

fn greet(zones: &Path, ports: [u16; 2], config: &Config) {
    let zone = config.zones.first().map_or_else(String::new, |zone| zone.name.to_string());
    let any = config.zones.iter().find(|zone| zone.name.to_string() == "example.com.");
    let (name, rtype) =
        if any.is_some() { (String::from("www.example.com"), "A") } else { (zone.clone(), "SOA") };
    let zone = if any.is_some() { String::from("example.com") } else { zone };
    let [primary, secondary] = ports;
    println!("A primary answers on 127.0.0.1:{primary}, its secondary on 127.0.0.1:{secondary}. Try:\n");
    println!("    dig @127.0.0.1 -p {primary} {name} {rtype}");
    println!("    dig @127.0.0.1 -p {secondary} {name} {rtype}");
    println!("    dig @127.0.0.1 -p {primary} {zone} AXFR");
    println!("\nNow edit a file in {} and save it. Ctrl-C ends the demo.\n", zones.display());
}

/// One line for each version that reaches the secondary.
fn report(zone: Name, file: PathBuf, primary: Engine, secondary: Engine) {
    let (Some(at_primary), Some(at_secondary)) =
        (primary.zone_id(zone.as_ref()), secondary.zone_id(zone.as_ref()))
    else {
        return;
    };
    let follow = move || {
        let mut last: Option<u32> = None;
        let mut fault: Option<String> = None;
        loop {
            let far = Instant::now() + Duration::from_secs(3600);
            let news = |status: &crate::engine::status::ZoneStatus| {
                let problem = status.problem.as_ref().map(|problem| problem.text.clone());
                (status.serial.is_some() && status.serial != last) || problem != fault
            };
            if !primary.wait_until(at_primary, far, news) {
                continue;
            }
            let Some(status) = primary.status(at_primary) else { return };
            let problem = status.problem.as_ref().map(|problem| problem.text.clone());
            if problem != fault {
                if let Some(text) = &problem {
                    println!("{zone} keeps serial {}:\n{text}", status.serial.unwrap_or(0));
                } else {
                    println!("{zone} is well again");
                }
                fault = problem;
            }
            let Some(serial) = status.serial.filter(|serial| Some(*serial) != last) else { continue };
            let published = Instant::now();
            let reached = secondary.wait(at_secondary, Serial(serial), published + REACH_MAX);
            match (reached, last) {
                (false, _) => println!("{zone} serial {serial} has not reached the secondary yet"),
                (true, None) => println!("{zone} serial {serial} is on both servers"),
                (true, Some(_)) => {
                    let saved = fs::metadata(&file).and_then(|file| file.modified()).ok();
                    let since = saved.and_then(|saved| SystemTime::now().duration_since(saved).ok());
                    let since = since.map_or(0, |since| since.as_millis());
                    println!("{zone} serial {serial} reached the secondary {since} ms after it was saved");
                }
            }
            last = Some(serial);
        }
    };
    // Ends with the process.
    let _ = std::thread::Builder::new().name("report".into()).spawn(follow);
}

/// Two servers that know each other by a key made for this demo, as they should anywhere; `dig` may
/// transfer without it.
fn configs(zones: &Path, [primary, secondary]: [u16; 2]) -> [String; 2] {
    let folder = toml::Value::from(zones.join("*.zone").display().to_string());
    let mut secret = [0; 32];
    OsRandom.fill(&mut secret);
    let secret = data_encoding::BASE64.encode(&secret);
    let server = |port: u16, state: &str, other: &str, other_port: u16| {
        format!(
            "[server]\nlisten = [\"127.0.0.1:{port}\"]\nstate_dir = \"{state}\"\n\n\
             [timers]\nrefresh_min = \"1s\"\nretry_min = \"1s\"\n\n\
             [keys.\"flock.example.\"]\nalgorithm = \"hmac-sha256\"\nsecret = \"{secret}\"\n\n\
             [peers.{other}]\naddress = \"127.0.0.1:{other_port}\"\nkey = \"flock.example.\"\n"
        )
    };
    let zones = format!(
        "\n[[zones]]\nrole = \"primary\"\nfile = {folder}\nnotify = [\"secondary\"]\n\
         allow_transfer = [\"secondary\", \"127.0.0.0/8\"]\n"
    );
    let first = server(primary, "primary", "secondary", secondary) + &zones;
    [first, server(secondary, "secondary", "primary", primary)]
}

fn secondary_zones(config: &Config) -> String {
    let zone = |zone: &crate::config::Zone| {
        let name = toml::Value::from(zone.name.to_string());
        format!(
            "\n[[zones]]\nname = {name}\nrole = \"secondary\"\nprimaries = [\"primary\"]\nallow_transfer = [\"127.0.0.0/8\"]\n"
        )
    };
    config.zones.iter().map(zone).collect()
}

/// The folder itself, or one with the built-in zones if it does not exist.
fn zone_folder(zones: &Path) -> io::Result<PathBuf> {
    if !zones.exists() {
        fs::create_dir_all(zones)?;
        for (name, text) in ZONES {
            fs::write(zones.join(name), text)?;
        }
        println!("Wrote example zones to {}.", zones.display());
    }
    zones.canonicalize()
}

fn tempfile_folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("bellwether-demo-{}", std::process::id()));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// The ports that the demo likes, or free ones.
fn ports() -> io::Result<[u16; 2]> {
    let free = |port: u16| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    if PORTS.into_iter().all(free) {
        return Ok(PORTS);
    }
    // Both are held until both are known, so that they differ.
    let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (first, second) = (any()?, any()?);
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}

fn wait_for_interrupt() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = interrupt.recv() => Ok(()),
            _ = term.recv() => Ok(()),
        }
    })
}
