//! The manifests of the workspace's members, read as data.
//! It knows Cargo's file format and nothing of what is allowed.

use std::path::Path;

use toml::{Table, Value};

/// One member: its folder and what it depends on.
#[derive(Debug)]
pub struct Manifest {
    /// Folder below the root, without `server/`: `analysis`, `kb/schema`.
    pub folder: String,
    /// The package's name.
    pub package: String,
    /// Dependencies by the names they have in the manifest, build dependencies and those of one
    /// platform included.
    pub dependencies: Vec<String>,
    /// Dependencies of its tests.
    pub dev_dependencies: Vec<String>,
}

/// Every member of the workspace at `root`.
///
/// # Errors
/// Names the manifest that cannot be read and says why.
pub fn manifests(root: &Path) -> Result<Vec<Manifest>, String> {
    let workspace = read(&root.join("Cargo.toml"))?;
    let members = workspace
        .get("workspace")
        .and_then(|it| it.get("members"))
        .and_then(Value::as_array)
        .ok_or("the workspace's manifest has no members")?;
    members
        .iter()
        .filter_map(Value::as_str)
        .map(|member| {
            let table = read(&root.join(member).join("Cargo.toml"))?;
            let package = table
                .get("package")
                .and_then(|it| it.get("name"))
                .and_then(Value::as_str)
                .ok_or_else(|| format!("{member}/Cargo.toml has no package name"))?;
            Ok(Manifest {
                folder: member.strip_prefix("server/").unwrap_or(member).to_owned(),
                package: package.to_owned(),
                dependencies: named(&table, &["dependencies", "build-dependencies"]),
                dev_dependencies: named(&table, &["dev-dependencies"]),
            })
        })
        .collect()
}

/// The names in these sections, those under `[target.….…]` too.
fn named(table: &Table, sections: &[&str]) -> Vec<String> {
    let targets = table.get("target").and_then(Value::as_table);
    let nested = targets
        .into_iter()
        .flat_map(|it| it.values())
        .filter_map(Value::as_table);
    std::iter::once(table)
        .chain(nested)
        .flat_map(|part| {
            sections
                .iter()
                .filter_map(|name| part.get(*name)?.as_table())
        })
        .flat_map(|section| section.keys().cloned())
        .collect()
}

fn read(path: &Path) -> Result<Table, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse()
        .map_err(|error| format!("{}: {error}", path.display()))
}
