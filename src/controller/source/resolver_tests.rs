//! A table of words and what `PyYAML` 6 makes of them.

use super::{
    Plain::{self, Bool, Float, Int, Merge, Null, Text, Time},
    resolve,
};

#[test]
fn words_resolve_as_in_pyyaml() {
    let table: Vec<(Plain, &[&str])> = vec![
        (Bool(true), &["yes", "Yes", "YES", "on", "true", "True", "TRUE"]),
        (Bool(false), &["no", "NO", "Off", "off"]),
        (Null, &["null", "Null", "~", "NULL"]),
        (Int(0), &["0", "-0", "+0", "0_", "00", "000"]),
        (Int(7), &["7", "0_7"]),
        (Int(-7), &["-7"]),
        (Int(12), &["+12"]),
        (Int(420), &["0644", "00644"]),
        (Int(-420), &["-0644"]),
        (Int(1000), &["1_000"]),
        (Int(1), &["1_"]),
        (Int(31), &["0x1F"]),
        (Int(65_535), &["0xfF_ff"]),
        (Int(-16), &["-0x10"]),
        (Int(5), &["0b101"]),
        (Float(1000.0), &["1.0e+3"]),
        (Float(0.0015), &["1.5E-3"]),
        (Float(1.0), &["1.", "1._"]),
        (Float(0.5), &[".5"]),
        (Float(5.0), &[".5e+1"]),
        (Float(f64::INFINITY), &[".inf", "+.INF", ".Inf"]),
        (Float(f64::NEG_INFINITY), &["-.inf"]),
        (Int(45_045), &["12:30:45"]),
        (Int(750), &["12:30"]),
        (Int(65), &["1:5"]),
        (Float(65.5), &["1:05.5"]),
        (Int(-90), &["-1:30"]),
        (Float(685_230.15), &["190:20:30.15"]),
        (Float(3.1), &["3.10"]),
        (Float(3.15), &["3.15"]),
        (Float(-3.15), &["-3.15"]),
        (Float(10.5), &["1_0.5_0"]),
        (Time("2001-12-14".to_owned()), &["2001-12-14"]),
        (Time("2001-12-14 21:59:43.100000-05:00".to_owned()), &["2001-12-14t21:59:43.10-05:00"]),
        (Time("2001-12-15 02:59:43.100000+00:00".to_owned()), &["2001-12-15T02:59:43.1Z"]),
        (Int(79_183), &["21:59:43"]),
        (Float(79_183.123_456_7), &["21:59:43.1234567"]),
        (Int(-5), &["-5"]),
        (Time("2001-12-14 01:59:43+05:30".to_owned()), &["2001-12-14T1:59:43+05:30"]),
        (Int(20_011_214), &["20011214"]),
        (Merge, &["<<"]),
        (Float(9.6), &["9.6"]),
        (Float(0.0), &["0.0"]),
        (Float(0.1), &["0.10"]),
        (Int(10), &["1__0"]),
        (Float(39_599.9), &["10:59:59.9"]),
        (Int(-659), &["-10:59"]),
        (Int(61), &["+1:1"]),
        (Float(61.0), &["1:1."]),
        (Time("2001-12-14 21:59:43".to_owned()), &["2001-12-14 21:59:43", "2001-12-14T21:59:43"]),
        (Time("2001-12-14 21:59:43.123456-05:00".to_owned()), &["2001-12-14 21:59:43.1234567 -5"]),
    ];
    for (expected, words) in table {
        for word in words {
            assert_eq!(resolve(word), expected, "{word}");
        }
    }
}

#[test]
fn words_that_only_look_special_stay_text() {
    let words = [
        "yEs",
        "y",
        "n",
        "oN",
        "tRUE",
        "nUll",
        "0o644",
        "0888",
        "08",
        "09",
        "_1",
        "0X1F",
        "0b102",
        "0B1",
        "1e3",
        "1.e3",
        "1.0e3",
        "-.5",
        "+.5",
        "._5",
        ".e+1",
        ".",
        "-.",
        "..",
        ".iNf",
        "-.nan",
        "1:60",
        "01:30",
        "0:30",
        "1:30:61",
        "192.168.1.1",
        "1.2.3",
        "12_3.4e+1_0",
        "2001-1-2",
        "2001-12-14T01:59",
        "==",
        "-",
        "--",
        "+",
        "++1",
        "1+",
        "1a",
        "0x",
        "0b",
        "0xg",
        "1,000",
        "1e400",
        "yesterday",
        "nope",
    ];
    for word in words {
        assert_eq!(resolve(word), Text, "{word}");
    }
}

#[test]
fn not_a_number_is_a_float() {
    for word in [".nan", ".NaN", ".NAN"] {
        assert!(matches!(resolve(word), Float(value) if value.is_nan()), "{word}");
    }
}

#[test]
fn whole_numbers_beyond_128_bits_keep_their_digits() {
    assert_eq!(resolve(&"9".repeat(60)), Text);
}
