//! The configuration as it stands in the file. Everything that is checked later knows its place.

use std::fmt;
use std::ops::Deref;

use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// What is one of some words, or has a form of its own, such as an address or a duration. Whatever else stands there is no
/// such word either, quotes or none, so whoever knows the words says what would be right.
#[derive(Debug)]
pub(super) struct Word(String);

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Word, E> {
                Ok(Word(value.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Config {
    pub(super) state_dir: Option<String>,
    #[serde(default)]
    pub(super) listen: Vec<Spanned<Listen>>,
    pub(super) tls: Option<Spanned<Tls>>,
    #[serde(default)]
    pub(super) requestor: Vec<Requestor>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) source: Vec<Source>,
    #[serde(default)]
    pub(super) network: Vec<Network>,
    pub(super) http: Option<Spanned<Http>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Http {
    pub(super) address: Spanned<Word>,
    pub(super) tls: Option<Spanned<Word>>,
    #[serde(default)]
    pub(super) names: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Spanned<String>,
    pub(super) key: Spanned<String>,
    pub(super) client_ca: Spanned<String>,
    pub(super) crl: Option<Spanned<String>>,
}

/// `"off"`, or what secure mode needs.
#[derive(Debug)]
pub(super) enum SourceTls {
    Word(Word),
    Files(ClientTls),
}

impl<'de> Deserialize<'de> for SourceTls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = SourceTls;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"off\", or { ca = \"…\", certificate = \"…\", key = \"…\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SourceTls, E> {
                Ok(SourceTls::Word(Word(text.to_owned())))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<SourceTls, E> {
                Ok(SourceTls::Word(Word(value.to_string())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SourceTls, A::Error> {
                ClientTls::deserialize(MapAccessDeserializer::new(map)).map(SourceTls::Files)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ClientTls {
    pub(super) ca: String,
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) server_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Listen {
    pub(super) protocol: Spanned<Word>,
    pub(super) transport: Spanned<Word>,
    pub(super) address: Spanned<Word>,
    pub(super) tls: Option<Spanned<Word>>,
    pub(super) active: Option<Spanned<bool>>,
    pub(super) server_id: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Requestor {
    pub(super) name: Spanned<String>,
    pub(super) addresses: Spanned<Vec<Spanned<Word>>>,
    pub(super) certificate_names: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) allow: Option<Vec<Spanned<Word>>>,
    pub(super) token_file: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) withhold_options: Vec<Spanned<i64>>,
    #[serde(default)]
    pub(super) own_bindings_only: bool,
    pub(super) vpns: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) connections: Option<Spanned<i64>>,
    pub(super) connections_per_requestor: Option<Spanned<i64>>,
    pub(super) queries_per_connection: Option<Spanned<i64>>,
    pub(super) data_timeout: Option<Spanned<f64>>,
    pub(super) active_send_timeout: Option<Spanned<f64>>,
    pub(super) active_idle_timeout: Option<Spanned<f64>>,
    pub(super) history: Option<Spanned<Word>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Source {
    #[serde(rename = "type")]
    pub(super) kind: Spanned<Word>,
    pub(super) protocol: Option<Spanned<Word>>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) kea_config: Option<Spanned<String>>,
    pub(super) vpn: Option<Spanned<String>>,
    pub(super) server: Option<Spanned<String>>,
    pub(super) link: Option<Spanned<Word>>,
    pub(super) tls: Option<Spanned<SourceTls>>,
    pub(super) options: Option<Spanned<Vec<Spanned<i64>>>>,
    pub(super) poll: Option<Spanned<Word>>,
    pub(super) sweep: Option<Spanned<Word>>,
    pub(super) active_receive_timeout: Option<Spanned<Word>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Network {
    pub(super) protocol: Spanned<Word>,
    #[serde(default)]
    pub(super) ranges: Vec<Spanned<Word>>,
    pub(super) vpn: Option<Spanned<String>>,
    pub(super) link: Option<Spanned<Word>>,
    #[serde(default)]
    pub(super) prefixes: Vec<Spanned<Word>>,
}
