//! Models in safetensors, small and made up here: they load, every plan writes the same, and samples side by side are
//! the samples one after another.
//! Knows the files' layout and the front doors; what the numbers mean is nobody's business here.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, fs, ops::ControlFlow, path::Path, process::Command};

use candle_core::{DType, Device, Tensor};
use secondlook_codecode::{
    decode::Plan,
    draws::Draws,
    engine::Load,
    law::{Law, Mode, Warp},
    lookup::Lookup,
    session::{Answer, Ask, Finish, Hearer, Piece, Session},
    template,
    tokens::Tokens,
};
use serde_json::{Value, json};

const WIDTH: usize = 64;
const FEED: usize = 96;
const HEAD: usize = 16;
const VOCABULARY: usize = 264;

/// Numbers between -1 and 1 that look random and are the same every time.
fn noise(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}

/// Bytes as GPT-2 spells them, and marks.
fn tokenizer(marks: &[&str]) -> Value {
    let mut next = 256;
    let mut vocabulary = serde_json::Map::new();
    for byte in 0..=255_u32 {
        let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let shown = if printable {
            byte
        } else {
            next += 1;
            next - 1
        };
        vocabulary.insert(char::from_u32(shown).unwrap().to_string(), json!(byte));
    }
    let added = marks.iter().zip(256..).map(|(mark, id)| {
        json!({
            "id": id, "content": mark, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false,
        })
    });
    let added: Vec<Value> = added.collect();
    json!({
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true,
        },
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    })
}

/// A model of one family; `stray` is how far its numbers lie from those of other models of the same family.
fn model(folder: &Path, family: &str, stray: f32) {
    let qwen = family == "qwen2";
    let (heads, shared) = (4, if qwen { 2 } else { 4 });
    fs::create_dir_all(folder).unwrap();
    let config = json!({
        "model_type": family, "hidden_size": WIDTH, "intermediate_size": FEED, "num_hidden_layers": 2,
        "num_attention_heads": heads, "num_key_value_heads": shared, "head_dim": HEAD,
        "max_position_embeddings": 512, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-6, "rope_theta": 10_000.0,
        "tie_word_embeddings": qwen,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(
        folder.join("tokenizer.json"),
        tokenizer(&["<|endoftext|>"]).to_string(),
    )
    .unwrap();
    let (mut common, mut own) = (7_u64, 11_u64 + (stray * 1000.0) as u64);
    let mut tensors = HashMap::new();
    // Qwen's files are of one kind here, Llama's of another.
    let kind = if qwen { DType::F32 } else { DType::BF16 };
    let mut add = |name: String, dims: &[usize], size: f32, around: f32| {
        let count = dims.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| around + size * (noise(&mut common) + stray * noise(&mut own)))
            .collect();
        let tensor = Tensor::from_vec(values, dims, &Device::Cpu).unwrap();
        tensors.insert(name, tensor.to_dtype(kind).unwrap());
    };
    add(
        "model.embed_tokens.weight".into(),
        &[VOCABULARY, WIDTH],
        1.0,
        0.0,
    );
    if !qwen {
        add("lm_head.weight".into(), &[VOCABULARY, WIDTH], 1.0, 0.0);
    }
    add("model.norm.weight".into(), &[WIDTH], 0.1, 1.0);
    for layer in 0..2 {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        add(name("input_layernorm.weight"), &[WIDTH], 0.1, 1.0);
        add(name("post_attention_layernorm.weight"), &[WIDTH], 0.1, 1.0);
        for (part, heads) in [("q", heads), ("k", shared), ("v", shared)] {
            let part = format!("self_attn.{part}_proj");
            add(
                name(&format!("{part}.weight")),
                &[heads * HEAD, WIDTH],
                0.3,
                0.0,
            );
            if qwen {
                add(name(&format!("{part}.bias")), &[heads * HEAD], 0.3, 0.0);
            }
        }
        add(
            name("self_attn.o_proj.weight"),
            &[WIDTH, heads * HEAD],
            0.3,
            0.0,
        );
        add(name("mlp.gate_proj.weight"), &[FEED, WIDTH], 0.3, 0.0);
        add(name("mlp.up_proj.weight"), &[FEED, WIDTH], 0.3, 0.0);
        add(name("mlp.down_proj.weight"), &[WIDTH, FEED], 0.3, 0.0);
    }
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
}

fn pair(folder: &Path, family: &str) -> [std::path::PathBuf; 2] {
    let (base, security) = (folder.join("base"), folder.join("security"));
    model(&base, family, 0.0);
    model(&security, family, 0.1);
    [base, security]
}

fn generate(pair: &[std::path::PathBuf; 2], more: &[&str]) -> Value {
    let mut answers = samples(pair, "256", more);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

fn samples(pair: &[std::path::PathBuf; 2], context: &str, more: &[&str]) -> Vec<Value> {
    let out = Command::new(env!("CARGO_BIN_EXE_secondlook-codecode"))
        .args(["generate", "--json", "--no-cache", "--context", context])
        .args(["--max-tokens", "60", "--temperature", "0.7", "--prompt"])
        .arg("for i in range(10): for i in range(10): for")
        .arg("--base")
        .arg(&pair[0])
        .arg("--security")
        .arg(&pair[1])
        .args(more)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{errors}");
    let lines = serde_json::Deserializer::from_slice(&out.stdout).into_iter();
    lines.map(Result::unwrap).collect()
}

#[test]
fn each_family_s_marks_ask_for_what_stands_between() {
    let families = [
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
        ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
        ["▁<PRE>", "▁<SUF>", "▁<MID>"],
    ];
    let folder = tempfile::tempdir().unwrap();
    let tokens = |marks: &[&str]| {
        let text = tokenizer(marks).to_string();
        fs::write(folder.path().join("tokenizer.json"), text).unwrap();
        Tokens::from_folder(folder.path()).unwrap()
    };
    for [before, after, between] in families {
        // The file names them in whatever order.
        let tokens = tokens(&[between, "<|endoftext|>", before, after]);
        let due = [258].into_iter().chain(b"f(".map(u32::from)).chain([259]);
        let due: Vec<u32> = due.chain(b")<|".map(u32::from)).chain([256]).collect();
        assert_eq!(
            template::gap(&tokens, "f(", ")<|").unwrap(),
            due,
            "{before}"
        );
    }
    let refused = template::gap(&tokens(&["<|fim_prefix|>", "<fim_suffix>"]), "a", "b");
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("no marks for filling a gap"), "{said}");
}

#[test]
fn a_folder_of_either_family_writes_the_same_with_every_plan() {
    for family in ["qwen2", "llama"] {
        let folder = tempfile::tempdir().unwrap();
        let pair = pair(folder.path(), family);
        let expected = generate(&pair, &["--ahead", "1"]);
        let counts = &expected["counts"];
        assert!(counts["emitted"].as_u64().unwrap() > 30, "{expected}");
        let both = ["accepted", "rejected"].map(|key| counts[key].as_u64().unwrap());
        assert!(both.iter().all(|&count| count > 0), "{family}: {counts}");
        for more in [
            &["--ahead", "2"] as &[&str],
            &["--ahead", "4", "--doubt", "0"],
            &["--ahead", "8"],
            &["--ahead", "8", "--lookup"],
        ] {
            let answer = generate(&pair, more);
            assert_eq!(answer["tokens"], expected["tokens"], "{family} {more:?}");
            assert_eq!(answer["text"], expected["text"]);
        }
    }
}

#[test]
fn a_context_with_room_for_one_sample_gives_the_same_samples() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair(folder.path(), "qwen2");
    let three = ["--samples", "3"];
    let (wide, narrow) = (samples(&pair, "400", &three), samples(&pair, "105", &three));
    assert_eq!((wide.len(), narrow.len()), (3, 3));
    assert_ne!(wide[0]["tokens"], wide[1]["tokens"]);
    for (wide, narrow) in wide.iter().zip(&narrow) {
        assert_eq!(wide["tokens"], narrow["tokens"]);
        assert_eq!(wide["trace"], narrow["trace"]);
    }
}

/// Hears up to `most` pieces.
struct Ear {
    heard: usize,
    most: usize,
}

impl Hearer for Ear {
    fn piece(&mut self, _: &Piece<'_>) -> ControlFlow<()> {
        self.heard += 1;
        if self.heard < self.most {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

fn session(pair: &[std::path::PathBuf; 2]) -> Session {
    let load = |model: &Path| Load {
        model: model.to_owned(),
        adapter: None,
        context: 400,
        cache: None,
        rough: false,
    };
    Session::load(&load(&pair[0]), Some(&load(&pair[1]))).unwrap()
}

fn beside(session: &mut Session, ask: &Ask<'_>, lanes: &[u32], most: &[usize]) -> Vec<Answer> {
    let mut ears: Vec<Ear> = most.iter().map(|&most| Ear { heard: 0, most }).collect();
    let mut hearers: Vec<&mut dyn Hearer> =
        ears.iter_mut().map(|ear| ear as &mut dyn Hearer).collect();
    session.answers(ask, lanes, &mut hearers).unwrap()
}

#[test]
fn samples_side_by_side_are_the_samples_one_after_another() {
    let folder = tempfile::tempdir().unwrap();
    for family in ["qwen2", "llama"] {
        let pair = pair(&folder.path().join(family), family);
        let mut session = session(&pair);
        let prompt = session
            .tokens()
            .encode("x = 1; x = 1; y = x + 1; x =")
            .unwrap();
        let warp = Warp {
            temperature: 0.8,
            top_p: 0.95,
        };
        let law = Law {
            mode: Mode::Paper,
            threshold: 0.3,
            draft: warp,
            base: warp,
        };
        // A stop sequence that one sample is sure to meet: two characters of what it writes without.
        let mut stops: Vec<String> = Vec::new();
        let few = Lookup {
            least: 1,
            most: 3,
            each: 3,
            length: 4,
        };
        for (base_only, lookup) in [(false, None), (false, Some(few)), (true, Some(few))] {
            let ask = Ask {
                prompt: &prompt,
                law,
                plan: Plan {
                    lookup,
                    ..Plan::AHEAD
                },
                draws: Draws { seed: 5, lane: 0 },
                limit: 40,
                stops: &stops,
                base_only,
                endless: false,
            };
            let lanes = [0, 1, 2, 3];
            assert!(session.beside(&ask) >= lanes.len());
            let alone: Vec<Answer> = lanes
                .iter()
                .map(|&lane| {
                    let mut one = ask.clone();
                    one.draws.lane = lane;
                    let mut ear = Ear {
                        heard: 0,
                        most: 999,
                    };
                    session.answer(&one, &mut ear).unwrap()
                })
                .collect();
            assert_ne!(alone[0].tokens, alone[1].tokens, "the lanes are to differ");
            let together = beside(&mut session, &ask, &lanes, &[999; 4]);
            for (together, alone) in together.iter().zip(&alone) {
                assert_eq!(together.tokens, alone.tokens, "{family} {lookup:?}");
                assert_eq!(
                    (&together.text, together.finish),
                    (&alone.text, alone.finish)
                );
                assert_eq!(together.counts, alone.counts);
            }
            if !stops.is_empty() {
                let lengths: Vec<usize> = together.iter().map(|one| one.tokens.len()).collect();
                assert!(lengths.iter().any(|&own| own != lengths[0]), "{lengths:?}");
                assert_eq!(together[0].finish, Finish::Stop);
            }

            // One that nobody wants any more leaves the others to go on, and the session to be used again.
            let cut = beside(&mut session, &ask, &lanes, &[999, 2, 999, 999]);
            assert_eq!(cut[1].finish, Finish::Cancelled);
            assert_eq!(cut[1].tokens, alone[1].tokens[..2]);
            for lane in [0, 2, 3] {
                assert_eq!(cut[lane].tokens, alone[lane].tokens);
            }
            let again = beside(&mut session, &ask, &[3], &[999]);
            assert_eq!(again[0].tokens, alone[3].tokens);
            stops = if stops.is_empty() {
                vec![alone[0].text.chars().skip(8).take(2).collect()]
            } else {
                Vec::new()
            };
        }
    }
}

#[test]
fn more_samples_than_fit_are_not_taken_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair(folder.path(), "qwen2");
    let mut session = session(&pair);
    let prompt = session.tokens().encode("a").unwrap();
    let mut ask = Ask {
        prompt: &prompt,
        law: Law::default(),
        plan: Plan::AHEAD,
        draws: Draws { seed: 0, lane: 0 },
        limit: 130,
        stops: &[],
        base_only: false,
        endless: true,
    };
    assert_eq!(session.beside(&ask), 3, "the context holds 400 tokens");
    let mut ears = [(); 4].map(|()| Ear { heard: 0, most: 9 });
    let mut hearers: Vec<&mut dyn Hearer> =
        ears.iter_mut().map(|ear| ear as &mut dyn Hearer).collect();
    let problem = session
        .answers(&ask, &[0, 1, 2, 3], &mut hearers)
        .unwrap_err();
    assert!(problem.to_string().contains("do not fit"), "{problem}");
    ask.limit = 1000;
    assert_eq!(session.beside(&ask), 1);
}
