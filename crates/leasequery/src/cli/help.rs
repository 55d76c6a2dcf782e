//! What `--help` says at its end: how a command ends, what it takes from its surroundings, and examples.

/// How commands that ask end.
pub(super) const ASKING: &str = "\
Exit codes:
  0  done, also when nothing matched
  1  the server answered with an error status, which is printed
  2  wrong usage
  3  no connection, a timeout, a failure of TLS, or a protocol violation: what was printed is not all there is

Environment:
  LEASEQUERY_SERVER, LEASEQUERY_PROFILE, LEASEQUERY_TLS, LEASEQUERY_CA, LEASEQUERY_CERT, LEASEQUERY_KEY,
  LEASEQUERY_SERVER_NAME stand for the arguments of these names, which come before them. A profile is a table of
  $XDG_CONFIG_HOME/leasequery/profiles.toml (~/.config) with server, protocol, ca, cert, key and server-name;
  it comes after them. NO_COLOR turns colours off.
";

pub(super) const QUERY: &str = "\
Examples:
  leasequery query 192.0.2.1 --address 10.0.0.10
  leasequery query 192.0.2.1 --mac 02:00:00:00:00:0a
  leasequery query '[2001:db8::1]:547' --duid 00030001020000000001
";

pub(super) const BULK: &str = "\
Examples:
  leasequery bulk 192.0.2.1                           every configured address, leased or not
  leasequery bulk 192.0.2.1 --remote-id text:line-7   who is on a line
  leasequery bulk 192.0.2.1 --since 1h --format csv   what changed within the last hour
  leasequery bulk '[2001:db8::1]' --link 2001:db8:1::
  leasequery bulk dhcp.example.net --tls --ca ca.pem --cert bng-1.pem --key bng-1.key
";

pub(super) const WATCH: &str = "\
Examples:
  leasequery watch 192.0.2.1                          the present state, then every change
  leasequery watch 192.0.2.1 --state me.position      goes on where its last run stopped
  leasequery watch 192.0.2.1 --no-initial --ignore-renewals --exec ./update-filter
";

pub(super) const VERIFY: &str = "\
Examples:
  leasequery verify 198.51.100.1 192.0.2.1            a server and its mirror
  leasequery verify printed.json 192.0.2.1            what `bulk` or `watch` printed, and the server

Exit codes:
  0  equal
  1  not equal; the differences are printed
  2  wrong usage
  3  a side cannot be had, refusals included

Environment:
  LEASEQUERY_PROFILE, LEASEQUERY_TLS, LEASEQUERY_CA, LEASEQUERY_CERT, LEASEQUERY_KEY, LEASEQUERY_SERVER_NAME stand
  for the options of these names, which come before them. NO_COLOR turns colours off.
";

pub(super) const SERVE: &str = "\
Examples:
  leasequery serve --config /etc/leasequery.toml --check
  leasequery serve --config /etc/leasequery.toml

Exit codes:
  0  ended by SIGTERM or SIGINT, or checked and right
  1  it cannot go on
  2  wrong usage or configuration

Environment:
  LEASEQUERY_LOG says what is logged: error, warn, info (the default), debug or trace.
";

pub(super) const STATUS: &str = "\
Examples:
  leasequery status
  leasequery status http://127.0.0.1:9467 --format json

Exit codes:
  0  all is well
  1  something is not, which is said
  2  wrong usage or configuration
  3  nobody answers there
";

pub(super) const DEMO: &str = "\
Examples:
  leasequery demo
  leasequery demo --for 10s --subscribers 50 --rate 5000

Exit codes:
  0  done; the copies equal the server's store
  1  a copy differs
  2  wrong usage
  3  a port or a connection failed
";

pub(super) const CERTIFICATES: &str = "\
Examples:
  leasequery certificates pki --server dhcp.example.net --requestor bng-1
  leasequery certificates pki --requestor bng-2       one more, by the same authority

Exit codes:
  0  done
  2  wrong usage, or a file that cannot be written
";

pub(super) const COMPLETIONS: &str = "\
Examples:
  leasequery completions bash > /usr/share/bash-completion/completions/leasequery
  leasequery completions zsh > /usr/share/zsh/site-functions/_leasequery
  leasequery completions fish > ~/.config/fish/completions/leasequery.fish
";

pub(super) const MANUAL: &str = "\
Examples:
  leasequery manual /usr/share/man/man1
";

pub(super) const PROGRAM: &str = "\
Examples:
  leasequery demo                                     the whole system in one process
  leasequery bulk 192.0.2.1                           everything that a server has
  leasequery watch 192.0.2.1                          and every change

Exit codes:
  0  done, also when nothing matched
  1  a server answered with an error status, or what was compared differs
  2  wrong usage or configuration
  3  no connection, a timeout, a failure of TLS, or a protocol violation
";
