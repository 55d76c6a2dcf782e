use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use leasequery_client::Server;
use leasequery_daemon::config;
use leasequery_record::{Protocol, meant};
use serde::Deserialize;

use super::Ending;
use crate::output::{Level, say};

/// Which server is asked, and for what.
#[derive(Debug, Args)]
pub(super) struct Whom {
    /// HOST[:PORT], an IPv6 address in brackets (and, for a shell, in quotes); without one that of the profile
    #[arg(env = "LEASEQUERY_SERVER")]
    server: Option<Server>,
    /// Ask for DHCPv4
    #[arg(long, conflicts_with = "v6")]
    v4: bool,
    /// Ask for DHCPv6
    #[arg(long)]
    v6: bool,
    #[command(flatten)]
    profiles: Profiles,
}

/// Where what is always the same is kept.
#[derive(Debug, Args)]
pub(super) struct Profiles {
    /// Take the server and the files of TLS from this table of ~/.config/leasequery/profiles.toml
    #[arg(long, value_name = "NAME", env = "LEASEQUERY_PROFILE")]
    profile: Option<String>,
}

/// A table of the file of profiles: what an option would say, where no option does.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Profile {
    server: Option<String>,
    protocol: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) server_name: Option<String>,
}

/// The server that is meant.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) server: Server,
    pub(super) protocol: Protocol,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) profile: Profile,
}

impl Whom {
    pub(super) fn resolve(&self) -> Result<Asked, Ending> {
        let profile = self.profiles.load()?;
        let server = match (&self.server, &profile.server) {
            (Some(server), _) => server.clone(),
            (None, Some(server)) => {
                server.parse().map_err(|problem| Ending::Usage(format!("server of the profile: {problem}")))?
            }
            (None, None) => {
                let text = "SERVER is missing: HOST[:PORT], or LEASEQUERY_SERVER, or --profile NAME";
                return Err(Ending::Usage(text.to_owned()));
            }
        };
        let (v4, v6) = match profile.protocol.as_deref() {
            _ if self.v4 || self.v6 => (self.v4, self.v6),
            None => (false, false),
            Some("v4") => (true, false),
            Some("v6") => (false, true),
            Some(other) => {
                let text = format!("protocol \"{other}\" of the profile is unknown; \"v4\" or \"v6\" would be right");
                return Err(Ending::Usage(text));
            }
        };
        let (protocol, addresses) = server.resolve(v4, v6).map_err(Ending::Peer)?;
        let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        say(Level::Detail, format_args!("asking {server} for DHCP{protocol}, at {}", list.join(", ")));
        Ok(Asked { server, protocol, addresses, profile })
    }
}

impl Profiles {
    /// The profile that is wanted; an empty one if none is.
    pub(super) fn load(&self) -> Result<Profile, Ending> {
        let Some(name) = &self.profile else { return Ok(Profile::default()) };
        let file =
            file().ok_or_else(|| Ending::Usage("--profile: neither XDG_CONFIG_HOME nor HOME is set".to_owned()))?;
        let profiles = config::read_tables::<Profile>(&file).map_err(|error| Ending::Usage(error.to_string()))?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let Some(profile) = profiles.get(name) else {
            let known: Vec<_> = profiles.keys().map(String::as_str).collect();
            let hint = match meant(name, &known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("there are {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }),
            };
            return Err(Ending::Usage(format!("{}: no profile is named \"{name}\"; {hint}", file.display())));
        };
        let found = |path: &Option<PathBuf>| path.as_ref().map(|path| directory.join(path));
        Ok(Profile { ca: found(&profile.ca), cert: found(&profile.cert), key: found(&profile.key), ..profile.clone() })
    }
}

/// The file of profiles (XDG Base Directory Specification).
fn file() -> Option<PathBuf> {
    let directory = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = directory("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    Some(config.or_else(|| Some(directory("HOME")?.join(".config")))?.join("leasequery/profiles.toml"))
}
