//! Holds what is made from other files against what it is made from. It writes nothing itself.

#[test]
fn settings_of_the_editors_are_those_of_the_table() {
    let files = dev::generated().expect("the files of the editors are there");
    let behind: Vec<String> = files
        .iter()
        .filter(|it| it.behind)
        .map(|it| it.path.display().to_string())
        .collect();
    assert!(
        behind.is_empty(),
        "behind server/config: {}; run `cargo run -p dev` and commit",
        behind.join(", ")
    );
}
