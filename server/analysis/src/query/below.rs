//! What lies below one node, gone through once for all queries that begin at nodes of some kind.
//! It knows kinds of nodes; what a query asks of them is the query's business.

use std::cell::OnceCell;

use syntax::NodeNames;
use tree_sitter::Node;

/// A function or a statement that queries are run in.
pub(crate) struct Below<'r, 't> {
    root: Node<'t>,
    /// The kinds that queries begin at, by their numbers in the grammar.
    begins: &'r [bool],
    /// The nodes of those kinds, in the order of a walk.
    nodes: OnceCell<Vec<Node<'t>>>,
}

impl<'r, 't> Below<'r, 't> {
    /// All that lies below a node, itself included; `begins` says of which kinds of nodes lists are
    /// wanted.
    pub(crate) fn new(root: Node<'t>, begins: &'r [bool]) -> Self {
        Self {
            root,
            begins,
            nodes: OnceCell::new(),
        }
    }

    pub(super) fn root(&self) -> Node<'t> {
        self.root
    }

    /// The nodes of one kind, in the order of a walk; it must be one of those that are wanted.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = Node<'t>> {
        let nodes = self.nodes.get_or_init(|| {
            let mut out = Vec::new();
            syntax::walk(self.root, |node| {
                if self.begins.get(usize::from(node.kind_id())) == Some(&true) {
                    out.push(node);
                }
                syntax::Descend::Into
            });
            out
        });
        let nodes = nodes.iter().copied();
        nodes.filter(move |it| it.kind_name() == kind)
    }
}

/// Which kinds of a grammar have one of these names, by their numbers.
pub(super) fn numbers(grammar: &tree_sitter::Language, names: &[&str]) -> Vec<bool> {
    let count = u16::try_from(grammar.node_kind_count()).unwrap_or(u16::MAX);
    let is_named = |id: u16| {
        grammar
            .node_kind_for_id(id)
            .is_some_and(|it| names.contains(&it))
    };
    (0..count).map(is_named).collect()
}
