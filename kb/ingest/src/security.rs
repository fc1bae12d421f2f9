//! The words by which a comment shows that it speaks of security. The paper gives three categories
//! with examples (SOSecure); the list is ours.
//! It is read as one expression over the comment as the dump writes it, letter case apart.

/// Each category: its name and the alternatives of its expression.
pub const CATEGORIES: [(&str, &[&str]); 3] = [
    (
        "general",
        &[
            r"(?:in)?secur(?:e|ely|ity)\b",
            r"vulnerab(?:le|ilit)",
            r"exploit",
            r"\battack",
            r"malicious",
            r"\b(?:un|not )safe",
            r"\bhack(?:er|ed|ing|able)",
            r"\binject(?:ion|ed|ing|able)?\b",
            r"saniti[sz]",
            r"un(?:trusted|validated|checked)\b",
            r"\b(?:do not|don.t|never|can.t) trust\b",
            r"\bdanger(?:ous)?\b",
            r"\b(?:tamper|spoof|forge|hijack|eavesdrop)",
            r"privilege",
        ],
    ),
    (
        "named vulnerability",
        &[
            r"\bcve\b",
            r"\bcwe\b",
            r"\bowasp\b",
            r"\b(?:xss|csrf|xsrf|ssrf|xxe|sqli|rce|mitm|toctou|redos|ddos)\b",
            r"cross[- ]site",
            r"\b(?:arbitrary|remote) (?:code|command|file)",
            r"code execution",
            r"\b(?:buffer|integer|stack|heap) over(?:flow|run)",
            r"out[- ]of[- ]bounds",
            r"use[- ]after[- ]free",
            r"double[- ]free",
            r"dangling pointer",
            r"format string (?:bug|attack|vuln)",
            r"(?:path|directory) traversal",
            r"zip[- ](?:slip|bomb)",
            r"billion laughs",
            r"entity expansion",
            r"race condition",
            r"man[- ]in[- ]the[- ]middle",
            r"denial[- ]of[- ]service",
            r"(?:timing|replay|padding|dictionary|collision) attack",
            r"side[- ]channel",
            r"brute[- ]forc",
            r"rainbow table",
            r"open redirect",
            r"clickjack",
        ],
    ),
    (
        "risk indicator",
        &[
            r"\bdeprecated\b",
            r"\bunauthori[sz]ed\b",
            r"\boutdated\b",
            r"\bobsolete\b",
            r"\bbypass",
            r"\brisk(?:s|y)?\b",
            r"\bbad practice\b",
            r"\bhard[- ]?cod(?:ed|ing)\b",
            r"\bcredential",
            r"\bplain[- ]?text password",
            r"\bweak (?:hash|cipher|key|password|crypto|encryption|random)",
            r"\bbroken (?:hash|cipher|crypto|algorithm)",
            r"cryptographically",
            r"verify ?= ?false",
            r"undefined behaviou?r",
            r"\bleak(?:s|ed|ing)? (?:data|information|secrets?|the key|passwords?)",
            r"\bexpos(?:e|es|ed|ing)\b",
        ],
    ),
];

/// The words by which a comment says that there is nothing to fear. Ours.
const DENIALS: &[&str] = &[
    r"\b(?:is|are|it.s|that.s|this.s) (?:(?:actually|in fact|quite|still|perfectly|completely|entirely|totally) )*(?:safe|harmless|secure)\b",
    r"\b(?:not|isn.t|never) (?:(?:actually|really|in fact) )?(?:(?:a|an|any) )?(?:security )?(?:vulnerab(?:le|ilit)|risk|danger|problem|issue|exploitable|hole|unsafe|insecure)",
    r"\bno (?:(?:real|actual) )?(?:security (?:risk|problem|issue|hole)|risk|danger|vulnerabilit)",
    r"\bnothing (?:is )?(?:wrong|unsafe|insecure|dangerous|to (?:worry|fear))",
    r"\bfalse (?:alarm|positive)\b",
    r"\b(?:perfectly|completely|totally|absolutely) (?:fine|ok|okay|safe)\b",
    r"\b(?:cannot|can.t|can not) be (?:exploit|attack|abus)ed\b",
];
/// The words that take a denial back: it holds under conditions, or is a question.
const HEDGES: &[&str] = &[
    r"\b(?:but|unless|until|however|except|if|when|as long as|provided|assuming|think)\b",
    r"\?",
];

/// The words of denial, and of taking it back, each as one expression.
#[must_use]
pub(crate) fn denial() -> (String, String) {
    (DENIALS.join("|"), HEDGES.join("|"))
}

/// All categories as one expression.
#[must_use]
pub fn expression() -> String {
    let all: Vec<&str> = CATEGORIES
        .iter()
        .flat_map(|(_, words)| words.iter().copied())
        .collect();
    all.join("|")
}
