//! Tables and properties of taking dumps apart.

use proptest::prelude::*;

use super::*;

fn split(dump: &str) -> Vec<Piece> {
    let (mut splitter, mut out) = (Splitter::default(), Vec::new());
    for line in dump.as_bytes().split_inclusive(|byte| *byte == b'\n') {
        splitter.line(line, &mut out);
    }
    splitter.end(&mut out);
    out
}

fn statements(dump: &str) -> Vec<String> {
    split(dump)
        .iter()
        .filter_map(|piece| match piece {
            Piece::Statement(statement) => Some(String::from_utf8_lossy(&statement.text).trim().to_owned()),
            _ => None,
        })
        .collect()
}

fn trouble(dump: &str) -> Option<&'static str> {
    split(dump).iter().find_map(|piece| match piece {
        Piece::Rest { trouble, .. } => *trouble,
        _ => None,
    })
}

#[test]
fn semicolons_end_statements_only_outside() {
    for (dump, count) in [
        ("SELECT 1; SELECT 2;\n", 2),
        ("SELECT 'a;b''c;';\nSELECT 1;", 2),
        ("SELECT 'plain \\'; SELECT 1;", 2),
        ("SELECT E'esc \\'; '; SELECT 1;", 2),
        ("SELECT nameE'x\\'; SELECT 1;", 2),
        ("SELECT \"odd;\"\"name\"; SELECT 1;", 2),
        ("DO $$ BEGIN a; b; END $$; SELECT 1;", 2),
        ("DO $x$ $$ ; $y$ ; $x$; SELECT 1;", 2),
        ("SELECT a$b$; SELECT c$b$;", 2),
        ("SELECT $1; SELECT $2;", 2),
        ("SELECT 1 -- not; here '\n; SELECT 2;", 2),
        ("SELECT /* ; /* ; ' */ ; */ 1; SELECT 2;", 2),
        ("CREATE RULE r AS ON INSERT TO t DO (a; b); SELECT 1;", 2),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; SELECT 1;", 2),
        ("CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT 1; END;", 1),
        ("BEGIN; SELECT 1; END;", 3),
        ("SET standard_conforming_strings = off;\nSELECT 'a\\';'; SELECT 1;", 3),
        ("SELECT 'over\nlines;\n'; SELECT 1;", 2),
        (";;", 2),
    ] {
        assert_eq!(statements(dump).len(), count, "{dump}: {:?}", statements(dump));
        assert_eq!(trouble(dump), None, "{dump}");
    }
}

#[test]
fn copy_data_is_no_sql() {
    let dump = "-- head\n\nCOPY public.t (a, b) FROM stdin;\n1\tit's; \"x\n\\.x\n\\N\t$$\n\\.\n\nSELECT 1;\n";
    let pieces = split(dump);
    let Piece::Statement(copy) = &pieces[0] else { panic!("{pieces:?}") };
    assert!(copy.copies);
    assert_eq!((copy.line, copy.last_line), (3, 3));
    assert_eq!(copy.head(), "COPY public.t (a, b) FROM stdin;");
    let data: Vec<&Piece> = pieces.iter().filter(|piece| matches!(piece, Piece::Data(_))).collect();
    assert_eq!(data.len(), 3);
    assert_eq!(pieces[4], Piece::DataEnd(b"\\.\n".to_vec()));
    let Piece::Statement(select) = &pieces[5] else { panic!("{pieces:?}") };
    assert_eq!((select.line, select.copies), (9, false));
}

#[test]
fn only_copy_from_stdin_has_data() {
    for (dump, copies) in [
        ("copy t from STDIN with (format csv);\n\\.\n", true),
        ("COPY \"from stdin\" FROM '/tmp/x';\n", false),
        ("COPY t TO stdout;\n", false),
        ("SELECT 'COPY t FROM stdin';\n", false),
        ("COPY (SELECT a FROM stdin) TO '/x';\n", false),
    ] {
        let pieces = split(dump);
        let Piece::Statement(statement) = &pieces[0] else { panic!("{pieces:?}") };
        assert_eq!(statement.copies, copies, "{dump}");
    }
}

#[test]
fn commands_to_psql_keep_their_line() {
    let pieces = split("\\restrict abc\nSELECT 1;\n  \\connect other\nSELECT 2;\n");
    assert_eq!(pieces[0], Piece::Meta { line: 1, text: b"\\restrict abc\n".to_vec() });
    assert!(pieces.contains(&Piece::Meta { line: 3, text: b"\\connect other\n".to_vec() }));
    assert_eq!(statements("SELECT '\\connect x';\nSELECT 1;").len(), 2);
    assert_eq!(trouble("SELECT 1 \\gexec\n"), Some("a command to psql stands inside a statement"));
}

#[test]
fn what_does_not_end_is_trouble() {
    for dump in ["SELECT 1", "SELECT 'x;\n", "/* x", "DO $a$ x $b$;", "COPY t FROM stdin;\n1\n", "SELECT (1;"] {
        assert!(trouble(dump).is_some(), "{dump}");
    }
    assert_eq!(trouble("SELECT 1;\n-- end\n\n"), None);
    assert_eq!(trouble("\u{feff}SELECT 1;"), None);
}

#[test]
fn the_head_is_the_first_line_of_the_statement() {
    let pieces = split("SELECT 1;\n--\n-- Name: t\n--\n\nCREATE TABLE t (\n  a int\n);\n");
    let Piece::Statement(statement) = &pieces[1] else { panic!("{pieces:?}") };
    assert_eq!((statement.line, statement.last_line), (6, 8));
    assert_eq!(statement.head(), "CREATE TABLE t (");
}

proptest! {
    #[test]
    fn pieces_behind_each_other_are_the_dump(dump in r#"(?:[a-z ;'"$\\\n()*/é-]|COPY t FROM stdin;\n|\$x\$|\\\.\n|--|/\*|\*/|BEGIN|END|CREATE FUNCTION ){0,60}"#) {
        let joined: Vec<u8> = split(&dump).iter().flat_map(|piece| piece.text().to_vec()).collect();
        prop_assert_eq!(String::from_utf8(joined).unwrap(), dump);
    }

    #[test]
    fn quoted_texts_never_split(text in "[^\\\\]*") {
        let dump = format!("SELECT '{}', $q${}$q$;\n", text.replace('\'', "''"), text.replace('$', ""));
        prop_assert_eq!(statements(&dump).len(), 1);
    }
}
