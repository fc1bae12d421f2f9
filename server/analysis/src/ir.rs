//! The small language that Python and C are lowered to, so that one evaluator serves both.
//! It keeps what data flow and order need and drops the rest; every node keeps its bytes.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::sum::term;

/// Bytes in the analysed text, small because there are many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(range: Range<usize>) -> Self {
        let clamp = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        Self {
            start: clamp(range.start),
            end: clamp(range.end),
        }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Index of an expression in its function's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ExprId(pub(crate) u32);

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) span: Span,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    /// An identifier.
    Name(Box<str>),
    /// A literal.
    Str(Box<str>),
    Bytes(Box<str>),
    Int(i64),
    Float,
    Bool(bool),
    /// `None`, `NULL`, `nullptr`.
    Null,
    /// An f-string, or adjacent literals one of which is an f-string.
    Format(Vec<FormatPart>),
    /// `base.name`, `base->name`.
    Attr {
        base: ExprId,
        name: Box<str>,
        name_span: Span,
        arrow: bool,
    },
    /// `base[index]`; slices have `slice` set and their bounds in `index` (a Tuple).
    Index {
        base: ExprId,
        index: ExprId,
        slice: bool,
    },
    Call {
        callee: ExprId,
        args: Vec<Arg>,
        args_span: Span,
    },
    /// Flattened left spines: `a + b + c` is one node with three operands.
    Binary {
        op: BinOp,
        operands: Vec<ExprId>,
    },
    /// `not`, `-`, `~`, `!`.
    Not(ExprId),
    Neg(ExprId),
    /// `and` / `or`, `&&` / `||`, flattened.
    Logic {
        and: bool,
        operands: Vec<ExprId>,
    },
    Compare {
        op: CmpOp,
        left: ExprId,
        right: ExprId,
    },
    /// `a if c else b`, `c ? a : b`.
    Choice {
        cond: ExprId,
        then: ExprId,
        other: ExprId,
    },
    List(Vec<ExprId>),
    Tuple(Vec<ExprId>),
    Set(Vec<ExprId>),
    Dict(Vec<(Option<ExprId>, ExprId)>),
    /// A comprehension or generator: clauses bind, then `value` (and `key`) is built.
    Comprehension {
        value: ExprId,
        clauses: Box<[(ExprId, ExprId)]>,
        conds: Box<[ExprId]>,
    },
    /// `lambda`: a small function of its own, evaluated in place.
    Lambda {
        params: Vec<Box<str>>,
        body: ExprId,
    },
    /// `await x`, `yield x`, brackets, casts to unknown types: carries its operand through.
    Carry(ExprId),
    /// `yield x`: one of the things that the function gives back.
    Yield(ExprId),
    /// A cast, with the type's text; `sizeof(type)` is `SizeOf` of nothing.
    Cast {
        to: Box<str>,
        value: ExprId,
    },
    AddrOf(ExprId),
    Deref(ExprId),
    SizeOf(Option<ExprId>),
    /// `(x := v)`, `a = b` as an expression, `x += 1`, `x++` (value is the Int 1).
    Assign {
        target: ExprId,
        value: ExprId,
        op: Option<BinOp>,
    },
    /// `a, b` in C.
    Comma(Vec<ExprId>),
    /// `*args`, `**kwargs` inside a display.
    Star(ExprId),
    /// Anything else: its parts are still evaluated, so that calls inside are seen.
    Opaque(Vec<ExprId>),
}

#[derive(Debug)]
pub(crate) enum FormatPart {
    Text(Box<str>),
    /// The expression, and whether its format spec forces a number.
    Value {
        expr: ExprId,
        numeric: bool,
        /// `!r` or `!a`: written as `repr` writes it.
        quoted: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Arg {
    pub(crate) name: Option<Box<str>>,
    pub(crate) value: ExprId,
    /// 0, 1 for `*args`, 2 for `**kwargs`.
    pub(crate) star: u8,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinOp {
    Add,
    Sub,
    Mul,
    /// `%`: remainder of numbers, formatting of text.
    Mod,
    Shl,
    Div,
    And,
    Or,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CmpOp {
    Eq,
    NotEq,
    Less,
    LessEq,
    Greater,
    GreaterEq,
    In,
    NotIn,
    Is,
    IsNot,
}

#[derive(Debug)]
pub(crate) struct Stmt {
    pub(crate) span: Span,
    pub(crate) kind: StmtKind,
}

pub(crate) type Block = Vec<Stmt>;

#[derive(Debug)]
pub(crate) enum StmtKind {
    Expr(ExprId),
    /// `a = b = value`; C initialisers too.
    Assign {
        targets: Vec<ExprId>,
        value: ExprId,
    },
    AugAssign {
        target: ExprId,
        op: BinOp,
        value: ExprId,
    },
    /// A C declaration without (or with) a value; Python annotations without a value.
    Declare {
        name: Box<str>,
        ty: Type,
        value: Option<ExprId>,
    },
    /// `if … elif … else`: a flat chain, because real chains are long.
    If {
        arms: Vec<(ExprId, Block)>,
        other: Block,
    },
    /// `while`, `for(;;)`, `do … while` (with `at_least_once`).
    While {
        cond: Option<ExprId>,
        step: Option<ExprId>,
        body: Block,
        other: Block,
        at_least_once: bool,
    },
    For {
        target: ExprId,
        iter: ExprId,
        body: Block,
        other: Block,
    },
    /// Arms in order; `fallthrough` when C semantics apply. The values are the case labels.
    Switch {
        value: ExprId,
        arms: Vec<Arm>,
        fallthrough: bool,
    },
    Return(Option<ExprId>),
    Raise(Vec<ExprId>),
    Assert {
        cond: ExprId,
    },
    With {
        items: Vec<(ExprId, Option<ExprId>)>,
        body: Block,
    },
    Try {
        body: Block,
        handlers: Vec<Handler>,
        other: Block,
        finally: Block,
    },
    Delete(Vec<ExprId>),
    Break,
    Continue,
    Goto(Box<str>),
    Label(Box<str>),
    Import(Vec<Import>),
    /// A nested function or a method; its body is a unit of its own.
    Function(Box<str>),
    /// A nested block.
    Block(Block),
}

/// `except types as name: body`.
#[derive(Debug)]
pub(crate) struct Handler {
    /// Empty when everything is caught.
    pub(crate) types: Vec<ExprId>,
    pub(crate) name: Option<Box<str>>,
    pub(crate) body: Block,
}

#[derive(Debug)]
pub(crate) struct Arm {
    /// Empty for `default` / `case _`.
    pub(crate) values: Vec<ExprId>,
    pub(crate) default: bool,
    pub(crate) body: Block,
}

#[derive(Debug)]
pub(crate) struct Import {
    /// The local name.
    pub(crate) alias: Box<str>,
    /// The dotted thing it stands for.
    pub(crate) path: Box<str>,
}

/// What a declaration says of a variable, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Type {
    /// The base type's text without qualifiers: `char`, `struct foo`, `size_t`.
    pub(crate) base: Box<str>,
    /// How many `*`.
    pub(crate) pointers: u8,
    /// For arrays: the element count when it is a known number.
    pub(crate) array: Option<Option<u64>>,
    /// An array of arrays.
    pub(crate) grid: bool,
    /// The macro that names an array's size.
    pub(crate) size_name: Option<Box<str>>,
    /// `static` (or a file-scope variable): outlives the function.
    pub(crate) is_static: bool,
    /// An array whose size is not constant.
    pub(crate) variable_length: bool,
}

/// What a C file declares outside its functions.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    /// Macros that are whole numbers.
    pub(crate) macros: FxHashMap<Box<str>, i64>,
    /// Members of structures by name; `None` where two structures disagree.
    members: FxHashMap<Box<str>, Option<Type>>,
    /// Equal for equal declarations.
    pub(crate) digest: u64,
}

impl Declarations {
    pub(crate) fn member(&mut self, name: &str, ty: &Type) {
        let slot = self
            .members
            .entry(name.into())
            .or_insert_with(|| Some(ty.clone()));
        if slot.as_ref().is_some_and(|it| it != ty) {
            *slot = None;
        }
    }

    /// The type of a member of that name, whatever structure it belongs to.
    pub(crate) fn type_of(&self, member: &str) -> Option<&Type> {
        self.members.get(member)?.as_ref()
    }

    /// How many elements an array of that type has.
    pub(crate) fn len(&self, ty: &Type) -> Option<u64> {
        let named = || {
            let number = self.macros.get(ty.size_name.as_ref()?)?;
            u64::try_from(*number).ok()
        };
        ty.array.flatten().or_else(named)
    }

    /// How many bytes an array of that type takes, where its elements are as large everywhere.
    pub(crate) fn bytes(&self, ty: &Type) -> Option<u64> {
        let one = match &*ty.base {
            _ if ty.grid || ty.pointers > 0 => return None,
            "char" | "signed char" | "unsigned char" | "int8_t" | "uint8_t" => 1,
            "short" | "unsigned short" | "int16_t" | "uint16_t" => 2,
            "int" | "unsigned" | "unsigned int" | "int32_t" | "uint32_t" | "float" => 4,
            "double" | "int64_t" | "uint64_t" => 8,
            _ => return None,
        };
        self.len(ty)?.checked_mul(one)
    }

    /// Takes the digest, when all is known.
    pub(crate) fn settle(&mut self) {
        let macros = self.macros.iter().map(|it| term(&it));
        let members = self.members.iter().map(|it| term(&it));
        self.digest = macros.chain(members).fold(0, u64::wrapping_add);
    }
}

impl Type {
    /// The first name of it, by which an annotation's class is imported.
    pub(crate) fn head(&self) -> &str {
        self.base.split('.').next().unwrap_or("")
    }

    /// Whether a C variable of this type may hold a negative number.
    pub(crate) fn is_signed(&self) -> bool {
        let plain = self
            .base
            .trim_start_matches("signed ")
            .trim_start_matches("const ");
        self.pointers == 0
            && self.array.is_none()
            && matches!(
                plain,
                "int"
                    | "short"
                    | "long"
                    | "long int"
                    | "long long"
                    | "long long int"
                    | "signed"
                    | "ssize_t"
                    | "off_t"
                    | "ptrdiff_t"
                    | "int8_t"
                    | "int16_t"
                    | "int32_t"
                    | "int64_t"
            )
    }

    /// Whether a C variable of this type holds a number.
    pub(crate) fn is_number(&self) -> bool {
        self.pointers == 0
            && self.array.is_none()
            && self.base.split_whitespace().last().is_some_and(|word| {
                matches!(
                    word,
                    "int"
                        | "long"
                        | "short"
                        | "char"
                        | "unsigned"
                        | "signed"
                        | "float"
                        | "double"
                        | "bool"
                        | "_Bool"
                        | "size_t"
                        | "ssize_t"
                        | "off_t"
                        | "time_t"
                        | "ptrdiff_t"
                        | "socklen_t"
                        | "mode_t"
                        | "pid_t"
                        | "u8"
                        | "u16"
                        | "u32"
                        | "u64"
                        | "s8"
                        | "s16"
                        | "s32"
                        | "s64"
                        | "uint"
                        | "ulong"
                ) || (word.ends_with("_t") && word.trim_start_matches('u').starts_with("int"))
            })
    }
}

#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: Box<str>,
    pub(crate) ty: Type,
    pub(crate) default: Option<ExprId>,
    /// The call in `Annotated[int, Query(le=100)]`.
    pub(crate) annotated: Option<ExprId>,
    /// 0, 1 for `*args`, 2 for `**kwargs`.
    pub(crate) star: u8,
    pub(crate) span: Span,
}

/// One function, or the module's own statements (the first of a unit).
#[derive(Debug)]
pub(crate) struct Function {
    /// Empty for the module.
    pub(crate) name: Box<str>,
    pub(crate) params: Vec<Param>,
    /// Decorator expressions, in `exprs`.
    pub(crate) decorators: Vec<ExprId>,
    pub(crate) body: Block,
    pub(crate) exprs: Vec<Expr>,
}

impl Function {
    pub(crate) fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }
}
