//! The rules of peers that people already name in comments, and the weaknesses they speak of.
//! Numbers and names only: what a rule matches is the peer's own business.

/// One rule of Bandit, which ruff and flake8-bandit number alike with another letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRule {
    /// `608` of `B608` and `S608`.
    pub number: u16,
    /// Its name, which Bandit takes in comments as well.
    pub name: &'static str,
    /// The weaknesses that our entries file the same thing under.
    pub cwe: &'static [u32],
}

impl PeerRule {
    /// The rules that a word of a comment or of a person means: `B608`, `S608`, a name, or the
    /// beginning of numbers such as `S6`.
    pub fn meant_by(word: &str) -> impl Iterator<Item = &'static Self> + '_ {
        let digits = word
            .strip_prefix(['B', 'b', 'S', 's'])
            .filter(|it| it.len() <= 3 && it.bytes().all(|byte| byte.is_ascii_digit()));
        PEER_RULES.iter().filter(move |rule| match digits {
            Some(digits) => rule.number.to_string().starts_with(digits),
            None => rule.name == word,
        })
    }
}

const fn rule(number: u16, name: &'static str, cwe: &'static [u32]) -> PeerRule {
    PeerRule { number, name, cwe }
}

const COMMAND: &[u32] = &[77, 78, 88];
const CODE: &[u32] = &[94, 95];
const CRYPTO: &[u32] = &[326, 327, 328, 329, 759, 760, 916];
const SECRET: &[u32] = &[259, 321, 798];
const HTML: &[u32] = &[79, 80, 116];
const XML: &[u32] = &[611, 776, 827];
const PLAIN: &[u32] = &[311, 319, 523];
const PICKLE: &[u32] = &[502];
const TEMP: &[u32] = &[377, 379];
const SQL: &[u32] = &[89, 564];

/// Every rule we know of, by number.
pub const PEER_RULES: &[PeerRule] = &[
    rule(101, "assert_used", &[617, 703]),
    rule(102, "exec_used", CODE),
    rule(103, "set_bad_file_permissions", &[276, 732]),
    rule(104, "hardcoded_bind_all_interfaces", &[605, 1327]),
    rule(105, "hardcoded_password_string", SECRET),
    rule(106, "hardcoded_password_funcarg", SECRET),
    rule(107, "hardcoded_password_default", SECRET),
    rule(108, "hardcoded_tmp_directory", TEMP),
    rule(110, "try_except_pass", &[390, 703]),
    rule(112, "try_except_continue", &[390, 703]),
    rule(113, "request_without_timeout", &[400, 1088]),
    rule(201, "flask_debug_true", &[94, 215, 489]),
    rule(202, "tarfile_unsafe_members", &[22, 409]),
    rule(301, "pickle", PICKLE),
    rule(302, "marshal", PICKLE),
    rule(303, "md5", CRYPTO),
    rule(304, "ciphers", CRYPTO),
    rule(305, "cipher_modes", CRYPTO),
    rule(306, "mktemp_q", TEMP),
    rule(307, "eval", CODE),
    rule(308, "mark_safe", HTML),
    rule(310, "urllib_urlopen", &[22, 918]),
    rule(311, "random", &[330, 331, 338]),
    rule(312, "telnetlib", PLAIN),
    rule(313, "xml_bad_cElementTree", XML),
    rule(314, "xml_bad_ElementTree", XML),
    rule(315, "xml_bad_expatreader", XML),
    rule(316, "xml_bad_expatbuilder", XML),
    rule(317, "xml_bad_sax", XML),
    rule(318, "xml_bad_minidom", XML),
    rule(319, "xml_bad_pulldom", XML),
    rule(320, "xml_bad_etree", XML),
    rule(321, "ftplib", PLAIN),
    rule(323, "unverified_context", &[295, 297]),
    rule(324, "hashlib", CRYPTO),
    rule(325, "tempnam", TEMP),
    rule(401, "import_telnetlib", PLAIN),
    rule(402, "import_ftplib", PLAIN),
    rule(403, "import_pickle", PICKLE),
    rule(404, "import_subprocess", COMMAND),
    rule(405, "import_xml_etree", XML),
    rule(406, "import_xml_sax", XML),
    rule(407, "import_xml_expat", XML),
    rule(408, "import_xml_minidom", XML),
    rule(409, "import_xml_pulldom", XML),
    rule(410, "import_lxml", XML),
    rule(411, "import_xmlrpclib", XML),
    rule(413, "import_pycrypto", CRYPTO),
    rule(501, "request_with_no_cert_validation", &[295, 297]),
    rule(502, "ssl_with_bad_version", &[326, 327]),
    rule(503, "ssl_with_bad_defaults", &[326, 327]),
    rule(504, "ssl_with_no_version", &[326, 327]),
    rule(505, "weak_cryptographic_key", &[326]),
    rule(506, "yaml_load", &[20, 502]),
    rule(507, "ssh_no_host_key_verification", &[295, 297, 322]),
    rule(508, "snmp_insecure_version", PLAIN),
    rule(509, "snmp_weak_cryptography", PLAIN),
    rule(601, "paramiko_calls", COMMAND),
    rule(602, "subprocess_popen_with_shell_equals_true", COMMAND),
    rule(603, "subprocess_without_shell_equals_true", COMMAND),
    rule(604, "any_other_function_with_shell_equals_true", COMMAND),
    rule(605, "start_process_with_a_shell", COMMAND),
    rule(606, "start_process_with_no_shell", COMMAND),
    rule(607, "start_process_with_partial_path", &[426, 427]),
    rule(608, "hardcoded_sql_expressions", SQL),
    rule(609, "linux_commands_wildcard_injection", COMMAND),
    rule(610, "django_extra_used", SQL),
    rule(611, "django_rawsql_used", SQL),
    rule(612, "logging_config_insecure_listen", CODE),
    rule(614, "pytorch_load", PICKLE),
    rule(615, "huggingface_unsafe_download", &[494]),
    rule(701, "jinja2_autoescape_false", &[79, 80, 94, 116]),
    rule(702, "use_of_mako_templates", HTML),
    rule(703, "django_mark_safe", HTML),
    rule(704, "markupsafe_markup_xss", HTML),
];

#[cfg(test)]
mod tests {
    use super::PeerRule;

    #[test]
    fn a_rule_is_meant_by_either_letter_by_name_and_by_the_beginning_of_its_number() {
        let means =
            |word: &str| -> Vec<u16> { PeerRule::meant_by(word).map(|it| it.number).collect() };
        assert_eq!(means("B608"), [608]);
        assert_eq!(means("S608"), [608]);
        assert_eq!(means("hardcoded_sql_expressions"), [608]);
        assert_eq!(means("S61"), [610, 611, 612, 614, 615]);
        for word in ["608", "E501", "B6081", "x", "SIM102", ""] {
            assert_eq!(means(word), [], "{word}");
        }
    }
}
