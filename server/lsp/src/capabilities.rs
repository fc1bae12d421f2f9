//! What the client can do and what we then offer. Knows no documents and no engine.

use syntax::Encoding;
use tower_lsp::gen_lsp_types as types;
use types::{
    CodeActionKind, CodeActionOptions, DiagnosticOptions, ExecuteCommandOptions, InitializeParams,
    InitializeResult, MarkupKind, PositionEncodingKind, ServerCapabilities, ServerInfo,
    TextDocumentSyncKind, TextDocumentSyncOptions, WorkDoneProgressOptions,
    WorkspaceFoldersServerCapabilities, WorkspaceOptions,
};

use crate::{ext, revise};

/// How diagnostics reach the client; one way for the whole session, so that none is shown twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The client asks.
    Pull {
        /// Whether it can be told to ask again.
        refresh: bool,
    },
    /// We send.
    Push,
}

/// When an action's edit is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EditDelivery {
    /// With the action.
    Inline,
    /// When the client asks for it.
    OnResolve,
}

/// What we use of the client's abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    /// What columns count.
    pub(crate) encoding: Encoding,
    /// How diagnostics reach the client.
    pub(crate) delivery: Delivery,
    /// When an action's edit is sent.
    pub(crate) edits: EditDelivery,
    /// Whether it looks at the version that pushed diagnostics are about.
    pub(crate) versions: bool,
    /// Whether a diagnostic may point at other places.
    pub(crate) related_information: bool,
    /// Whether a hover may be Markdown.
    pub(crate) markdown: bool,
    /// Whether an edit may name the version it is for.
    pub(crate) document_changes: bool,
    /// Whether the client opens addresses.
    pub(crate) show_document: bool,
    /// Whether it understands actions that are more than commands.
    pub(crate) action_literals: bool,
    /// Whether it shows actions that cannot be done, with the reason.
    pub(crate) disabled_actions: bool,
    /// Whether it shows progress that we begin.
    pub(crate) progress: bool,
    /// Whether it applies edits that we send.
    pub(crate) applies_edits: bool,
    /// Whether an edit may say what it is.
    pub(crate) annotations: bool,
    /// Whether an action may be tagged as made by a model.
    pub(crate) action_tags: bool,
    /// Whether it asks for inline completions.
    pub(crate) inline: bool,
    /// Whether a diagnostic may name a page about its code.
    pub(crate) code_description: bool,
    /// Whether a diagnostic may be tagged.
    pub(crate) tags: bool,
    /// Whether the client can be asked for settings.
    pub(crate) configuration: bool,
    /// Whether it tells of changed settings when that is registered.
    pub(crate) registers_configuration: bool,
    /// Whether it watches files when that is registered.
    pub(crate) registers_watchers: bool,
}

impl Profile {
    /// Reads a client's abilities. What it does not state, it does not have.
    pub(crate) fn negotiate(params: &InitializeParams) -> Self {
        let all = &params.capabilities;
        let document = all.text_document.as_ref();
        let workspace = all.workspace.as_ref();
        let pull = document.and_then(|it| it.diagnostic.as_ref());
        let refresh = workspace
            .and_then(|it| it.diagnostics.as_ref()?.refresh_support)
            .unwrap_or_default();
        // What a client says of pushed diagnostics it means of all.
        let push = document.and_then(|it| it.publish_diagnostics.as_ref());
        let shown: Vec<_> = (pull.map(|it| &it.diagnostics_capabilities).into_iter())
            .chain(push.map(|it| &it.diagnostics_capabilities))
            .collect();
        let related = shown.iter().find_map(|it| it.related_information);
        let action = document.and_then(|it| it.code_action.as_ref());
        let resolves_edits = action
            .and_then(|it| it.resolve_support.as_ref())
            .is_some_and(|it| it.properties.iter().any(|property| property == "edit"));
        let versions = document.and_then(|it| it.publish_diagnostics.as_ref()?.version_support);
        Self {
            encoding: encoding(all),
            delivery: match pull {
                Some(_) => Delivery::Pull { refresh },
                None => Delivery::Push,
            },
            edits: if resolves_edits {
                EditDelivery::OnResolve
            } else {
                EditDelivery::Inline
            },
            versions: versions.unwrap_or_default(),
            related_information: related.unwrap_or_default(),
            markdown: document
                .and_then(|it| it.hover.as_ref()?.content_format.as_ref())
                .is_some_and(|formats| formats.contains(&MarkupKind::Markdown)),
            document_changes: workspace
                .and_then(|it| it.workspace_edit.as_ref()?.document_changes)
                .unwrap_or_default(),
            action_literals: action.is_some_and(|it| it.code_action_literal_support.is_some()),
            disabled_actions: action
                .and_then(|it| it.disabled_support)
                .unwrap_or_default(),
            progress: all
                .window
                .as_ref()
                .and_then(|it| it.work_done_progress)
                .unwrap_or_default(),
            applies_edits: workspace.and_then(|it| it.apply_edit).unwrap_or_default(),
            annotations: workspace
                .and_then(|it| {
                    it.workspace_edit
                        .as_ref()?
                        .change_annotation_support
                        .as_ref()
                })
                .is_some(),
            action_tags: action
                .and_then(|it| it.tag_support.as_ref())
                .is_some_and(|it| it.value_set.contains(&types::CodeActionTag::LLMGenerated)),
            inline: document.is_some_and(|it| it.inline_completion.is_some()),
            code_description: shown
                .iter()
                .any(|it| it.code_description_support == Some(true)),
            tags: shown.iter().any(|it| it.tag_support.is_some()),
            configuration: workspace
                .and_then(|it| it.configuration)
                .unwrap_or_default(),
            registers_configuration: workspace
                .and_then(|it| it.did_change_configuration.as_ref()?.dynamic_registration)
                .unwrap_or_default(),
            registers_watchers: workspace
                .and_then(|it| it.did_change_watched_files.as_ref()?.dynamic_registration)
                .unwrap_or_default(),
            show_document: all
                .window
                .as_ref()
                .and_then(|it| it.show_document.as_ref())
                .is_some_and(|it| it.support),
        }
    }

    /// The answer to `initialize`.
    pub(crate) fn answer(&self) -> InitializeResult {
        let sync = TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::Incremental),
            save: Some(true.into()),
            ..Default::default()
        };
        let actions = CodeActionOptions {
            code_action_kinds: Some(vec![
                CodeActionKind::QuickFix,
                revise::REWRITE.into(),
                ext::FIX_ALL.into(),
            ]),
            resolve_provider: Some(self.edits == EditDelivery::OnResolve),
            ..Default::default()
        };
        let commands = ExecuteCommandOptions {
            commands: vec![
                ext::APPLY_EDIT.to_owned(),
                ext::SCAN_WORKSPACE.to_owned(),
                ext::MARK_INSERTED.to_owned(),
                ext::OPEN_RATIONALE.to_owned(),
                ext::REVISE.to_owned(),
                ext::REGENERATE.to_owned(),
                ext::SHOW_PROMPT.to_owned(),
                ext::COPY_PROMPT.to_owned(),
            ],
            work_done_progress_options: WorkDoneProgressOptions {
                work_done_progress: Some(true),
            },
        };
        let pull = DiagnosticOptions {
            identifier: Some("secondlook".into()),
            workspace_diagnostics: true,
            work_done_progress_options: WorkDoneProgressOptions {
                work_done_progress: Some(true),
            },
            ..Default::default()
        };
        InitializeResult {
            capabilities: ServerCapabilities {
                position_encoding: Some(match self.encoding {
                    Encoding::Utf8 => PositionEncodingKind::UTF8,
                    Encoding::Utf16 => PositionEncodingKind::UTF16,
                    Encoding::Utf32 => PositionEncodingKind::UTF32,
                }),
                text_document_sync: Some(sync.into()),
                hover_provider: Some(true.into()),
                inline_completion_provider: self.inline.then(|| true.into()),
                code_action_provider: Some(actions.into()),
                execute_command_provider: Some(commands),
                workspace: Some(WorkspaceOptions {
                    workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                        supported: Some(true),
                        change_notifications: Some(true.into()),
                    }),
                    ..Default::default()
                }),
                diagnostic_provider: match self.delivery {
                    Delivery::Pull { .. } => Some(pull.into()),
                    Delivery::Push => None,
                },
                ..Default::default()
            },
            server_info: Some(ServerInfo {
                name: "secondlook".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        }
    }
}

/// UTF-8 where it is offered, which is what the text is kept in; UTF-16 is what every client has.
fn encoding(capabilities: &types::ClientCapabilities) -> Encoding {
    let offered = capabilities
        .general
        .as_ref()
        .and_then(|it| it.position_encodings.as_deref());
    let offered = offered.unwrap_or_default();
    if offered.contains(&PositionEncodingKind::UTF8) {
        Encoding::Utf8
    } else if !offered.contains(&PositionEncodingKind::UTF16)
        && offered.contains(&PositionEncodingKind::UTF32)
    {
        Encoding::Utf32
    } else {
        Encoding::Utf16
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use serde_json::{Value, json};

    use super::*;

    fn profile(capabilities: &Value) -> Profile {
        let params = json!({ "processId": null, "rootUri": null, "capabilities": capabilities });
        Profile::negotiate(&serde_json::from_value(params).unwrap())
    }

    #[test]
    fn a_client_that_states_nothing_gets_the_plainest_protocol() {
        let profile = profile(&json!({}));
        assert_eq!(profile.encoding, Encoding::Utf16);
        assert_eq!(profile.delivery, Delivery::Push);
        assert_eq!(profile.edits, EditDelivery::Inline);
        assert!(!profile.document_changes && !profile.markdown && !profile.show_document);
        let answer = profile.answer().capabilities;
        assert_eq!(answer.diagnostic_provider, None);
    }

    #[test]
    fn the_encoding_is_one_that_the_client_offered() {
        for (offered, expected) in [
            (json!(["utf-16"]), Encoding::Utf16),
            (json!(["utf-16", "utf-8"]), Encoding::Utf8),
            (json!(["utf-32", "utf-16"]), Encoding::Utf16),
            (json!(["utf-32"]), Encoding::Utf32),
            (json!(["utf-7"]), Encoding::Utf16),
            (json!([]), Encoding::Utf16),
        ] {
            let general = json!({ "general": { "positionEncodings": offered } });
            assert_eq!(profile(&general).encoding, expected, "{offered}");
        }
    }

    #[test]
    fn a_client_that_pulls_is_never_pushed_to() {
        let profile = profile(&json!({
            "textDocument": {
                "diagnostic": {},
                "publishDiagnostics": { "relatedInformation": true },
            },
            "workspace": { "diagnostics": { "refreshSupport": true } },
        }));
        assert_eq!(profile.delivery, Delivery::Pull { refresh: true });
        assert!(profile.related_information);
        assert!(profile.answer().capabilities.diagnostic_provider.is_some());
    }
}
