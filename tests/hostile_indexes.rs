//! Damaged and hostile index folders of other libraries: each is refused with an error that names the file, and nothing panics.

#![cfg(feature = "cli")]

mod common;

use std::sync::LazyLock;

use common::fixtures;
use common::folder::Folder;
use proptest::prelude::*;
use tabrank::{Documents, Error, ForeignIndex, Hit, IndexForm, SearchOptions, write_plaid};

const CASES: [&str; 5] = ["colbert-ai", "fast-plaid", "next-plaid", "pylate", "pylate-stanford"];

static FOLDERS: LazyLock<Vec<Folder>> = LazyLock::new(|| {
    CASES.iter().map(|case| Folder::read(&fixtures().join("indexes").join(case))).collect()
});

fn folder(case: &str) -> Folder {
    FOLDERS[CASES.iter().position(|name| *name == case).unwrap()].clone()
}

/// Opens a folder, reads all of its documents, and searches.
fn used(folder: Folder) -> Result<Vec<Hit>, Error> {
    let form = folder.form().ok_or_else(|| Error::Argument {
        argument: "the folder".to_owned(),
        reason: "is no index".to_owned(),
    })?;
    let mut index = ForeignIndex::open(folder, form)?;
    for place in 0..index.count() {
        index.read(place)?;
    }
    let query = vec![0.5; index.codec().dimension()];
    let options = SearchOptions { top_k: 5, n_ivf_probe: 256, n_full_scores: 100 };
    let hits = index.search(&query, &options)?;
    let codec = index.codec().clone();
    match write_plaid(&codec, &mut index, &mut Folder::default()) {
        // Of no documents, or of some width.
        Err(Error::Argument { .. }) | Ok(()) => Ok(hits),
        Err(other) => Err(other),
    }
}

#[track_caller]
fn assert_refused(case: &str, file: &str, change: impl FnOnce(&mut Vec<u8>), reason: &str) {
    let mut folder = folder(case);
    change(folder.0.get_mut(file).expect("the file is there"));
    let error = used(folder).unwrap_err().to_string();
    let name = file.rsplit('/').next().unwrap();
    assert!(error.contains(name) && error.contains(reason), "{error}");
}

/// A `.npy` file with this header, and the data of another.
fn with_header(header: &str) -> impl FnOnce(&mut Vec<u8>) {
    let header = header.to_owned();
    move |file| {
        let data = file.split_off(10 + usize::from(u16::from_le_bytes([file[8], file[9]])));
        *file =
            [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()]
                .concat();
        file.extend(data);
    }
}

type Change = fn(&mut Vec<u8>);

#[test]
fn damaged_arrays_are_refused() {
    let header = |descr: &str, order: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}")
    };
    let invalid = "is not a valid .npy file";
    let cases = [
        (header("<f4", "False", "(256, 64)"), "bytes, which is not what its header says"),
        (header("<f2", "False", "(18446744073709551615, 32)"), "is not what its header says"),
        (header("<f2", "False", "(9223372036854775808, 2)"), "is not what its header says"),
        (header("<f2", "False", "(99999999999999999999, 32)"), "is not as NumPy writes it"),
        (header("<f2", "False", "(-256, 32)"), "is not as NumPy writes it"),
        (header("<f2", "False", "(256 32)"), "is not as NumPy writes it"),
        (header("<f2", "False", "(256,, 32)"), "is not as NumPy writes it"),
        (header("<f2", "True", "(256, 32)"), "Fortran's order"),
        (header(">f2", "False", "(256, 32)"), "\">f2\", which are not read"),
        (header("|O", "False", "(256, 32)"), "\"|O\", which are not read"),
        (header("<f2", "False", "(8192,)"), "has shape [8192]; one of 2 sizes is read"),
        (header("<i4", "False", "(128, 32)"), "is of I32; F16, F32 and F64 are read"),
        ("{'descr': '<f2', 'shape': (256, 32), }".to_owned(), "is not as NumPy writes it"),
        ("{'descr': '<f2', 'descr': '<f2'}".to_owned(), "a field twice"),
        ("{'descr': '<f2', 'x': 1}".to_owned(), "another field"),
        ("{'descr': '<f2' 'fortran_order': False}".to_owned(), "is not as NumPy writes it"),
        ("{'descr': '<f2".to_owned(), "is not as NumPy writes it"),
        ("{".to_owned(), "is not as NumPy writes it"),
        (String::new(), "is not as NumPy writes it"),
    ];
    for (header, reason) in cases {
        assert_refused("fast-plaid", "centroids.npy", with_header(&header), reason);
    }
    let cases: [(Change, &str); 7] = [
        (|file| file.truncate(file.len() - 1), invalid),
        (|file| file.push(0), invalid),
        (|file| file.truncate(9), "it ends too soon"),
        (|file| file.truncate(40), "it ends within its header"),
        (|file| file.clear(), "is empty"),
        (|file| file[6] = 4, "another version"),
        (|file| file[8..10].copy_from_slice(&[0xff, 0xff]), "longer than 4096 bytes"),
    ];
    for (change, reason) in cases {
        assert_refused("fast-plaid", "centroids.npy", change, reason);
    }
}

/// Versions 2 and 3 have lengths of four bytes.
#[test]
fn arrays_of_all_versions_are_read() {
    let expected = used(folder("next-plaid")).unwrap();
    for version in [2, 3] {
        let mut folder = folder("next-plaid");
        for (_, file) in folder.0.iter_mut().filter(|(name, _)| name.ends_with(".npy")) {
            file[6] = version;
            file.splice(10..10, [0, 0]);
        }
        assert_eq!(used(folder).unwrap(), expected);
    }
}

/// Sets a number of a `.npy` file of 64 bits.
fn with_number(place: usize, number: i64) -> impl FnOnce(&mut Vec<u8>) {
    move |file| {
        let data = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
        file[data + 8 * place..][..8].copy_from_slice(&number.to_le_bytes());
    }
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    let cases: [(&str, i64, &str); 5] = [
        ("1.codes.npy", 256, "holds 256, and the codec has 256 centroids"),
        ("1.codes.npy", -1, "holds -1, which is below 0"),
        ("1.codes.npy", i64::MIN, "which is below 0"),
        ("ivf.npy", 60, "holds 60; there are 60 documents"),
        ("ivf.npy", 1 << 32, "there are 60 documents"),
    ];
    for (file, number, reason) in cases {
        assert_refused("fast-plaid", file, with_number(3, number), reason);
    }
    let lengths = "fast_plaid_index/ivf_lengths.npy";
    for number in [i64::MAX, 400] {
        assert_refused("pylate", lengths, with_number(255, number), "has a list of");
    }
    // More lists than centroids.
    let mut folder = folder("fast-plaid");
    with_header("{'descr': '<f2', 'fortran_order': False, 'shape': (64, 32)}")(
        folder.0.get_mut("centroids.npy").unwrap(),
    );
    let centroids = folder.0.get_mut("centroids.npy").unwrap();
    centroids.truncate(centroids.len() - 192 * 64);
    let error = used(folder).unwrap_err().to_string();
    assert!(error.contains("the codec has 64 centroids"), "{error}");
}

fn replaced(text: &str) -> impl FnOnce(&mut Vec<u8>) {
    let text = text.as_bytes().to_vec();
    move |file| *file = text
}

#[test]
fn settings_and_lengths_that_do_not_fit_are_refused() {
    let cases = [
        ("metadata.json", "{", "is not valid JSON"),
        ("metadata.json", "[]", "is no object"),
        ("metadata.json", r#"{"nbits": 2}"#, "num_chunks is null"),
        ("metadata.json", r#"{"nbits": 2, "num_chunks": 0}"#, "num_chunks is 0"),
        ("metadata.json", r#"{"nbits": 2, "num_chunks": 1e9}"#, "from 1 to 1048576"),
        (
            "metadata.json",
            r#"{"nbits": 2, "num_chunks": 3, "binary": true}"#,
            "binary is not false",
        ),
        ("doclens.1.json", "[1, 2]", "by doclens.1.json it is [3]"),
        ("doclens.1.json", "[-1]", "is no list of lengths"),
        ("doclens.1.json", "[4294967296]", "is no list of lengths"),
        ("doclens.1.json", "", "is no list of lengths"),
    ];
    for (file, text, reason) in cases {
        let name = if reason.contains("by doclens") { "1.codes.npy" } else { file };
        let mut folder = folder("fast-plaid");
        replaced(text)(folder.0.get_mut(file).unwrap());
        let error = used(folder).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(reason), "{error}");
    }
    let codec = "the index's codec: nbits is 3";
    let mut folder = folder("fast-plaid");
    replaced(r#"{"nbits": 3, "num_chunks": 3}"#)(folder.0.get_mut("metadata.json").unwrap());
    assert!(used(folder).unwrap_err().to_string().contains(codec));
}

#[test]
fn missing_files_are_named() {
    for case in CASES {
        let whole = folder(case);
        let told = IndexForm::FILES.map(|(file, _)| file);
        for file in whole.0.keys().filter(|file| !told.contains(&file.as_str())) {
            let mut folder = whole.clone();
            folder.0.remove(file);
            match used(folder) {
                Err(error) => assert!(error.to_string().contains(file), "{case} {file}: {error}"),
                Ok(hits) => assert!(!hits.is_empty() && is_passed_over(file), "{case} {file}"),
            }
        }
    }
}

/// What is not needed, or made again, or in place of which numbers are taken.
fn is_passed_over(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap();
    name.ends_with(".metadata.json")
        || ["plan.json", "avg_residual.pt", "avg_residual.npy", "cluster_threshold.npy"]
            .contains(&name)
        || ["ivf.npy", "ivf.pid.pt"].contains(&name)
        || name.ends_with("_ids.pkl")
}

#[test]
fn pickles_of_something_else_are_refused() {
    let ids = "plaid_ids_to_documents_ids.pkl";
    let text = b"X\x01\x00\x00\x00a";
    let pair = |key: &[u8], value: &[u8]| [b"\x80\x02}(", key, value, b"u."].concat();
    let cases = [
        (b"\x80\x02cos\nsystem\n.".to_vec(), "it names \"os.system\""),
        (b"\x80\x02].".to_vec(), "it has the instruction ']'"),
        (b"\x80\x02K\x01.".to_vec(), "it does not make one dictionary"),
        (b"\x80\x02".to_vec(), "it ends too soon"),
        (pair(b"K\x00", b"N"), "neither a number nor a text"),
        (pair(text, text), "a key that is no number"),
        (pair(b"K\x3c", text), "has the number 60; there are 60 documents"),
        (pair(b"J\xff\xff\xff\xff", text), "has the number -1"),
        (
            [&b"\x80\x02}("[..], b"K\x00", text, b"K\x00", text, b"u."].concat(),
            "has the number 0 twice",
        ),
    ];
    for (pickle, reason) in cases {
        assert_refused("pylate-stanford", ids, |file| *file = pickle, reason);
    }
    let mut folder = folder("pylate");
    folder.0.remove(ids);
    folder.0.insert("plaid_ids_to_documents_ids.sqlite".to_owned(), b"SQLite format 3\0".to_vec());
    let error = used(folder).unwrap_err().to_string();
    assert!(error.contains("plaid_ids_to_documents_ids.sqlite is what older versions"), "{error}");
}

/// One tensor stands where a pair should, and the other way round; a dictionary in both places.
#[test]
fn tensors_of_another_number_or_type_are_refused() {
    let stanford = folder("colbert-ai");
    let cases = [
        ("centroids.pt", "buckets.pt", "it makes 2 values, not 1"),
        ("buckets.pt", "centroids.pt", "it makes 1 values, not 2"),
        ("centroids.pt", "0.codes.pt", "has shape [145]"),
        ("0.codes.pt", "0.residuals.pt", "has shape [145, 8]"),
        ("0.residuals.pt", "0.codes.pt", "is of I32; U8 are read"),
        ("0.codes.pt", "1.codes.pt", "has shape [131]; by doclens.0.json it is [145]"),
    ];
    for (file, other, reason) in cases {
        assert_refused("colbert-ai", file, |bytes| *bytes = stanford.0[other].clone(), reason);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// What a changed folder is read as, its scores are finite; and it is never a panic.
    #[test]
    fn changed_folders_are_read_or_refused(
        case in 0usize..CASES.len(),
        file in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        early in any::<bool>(),
        byte in any::<u8>(),
        how in 0u8..8,
    ) {
        let mut folder = FOLDERS[case].clone();
        let name = folder.0.keys().nth(file.index(folder.0.len())).unwrap().clone();
        let bytes = folder.0.get_mut(&name).unwrap();
        // Headers are short, and most of what can go wrong.
        let place = at.index(if early { bytes.len().min(160) } else { bytes.len() });
        match how {
            0 => bytes.truncate(place),
            1 => drop(bytes.splice(place..place, [byte; 3])),
            2 => drop(bytes.remove(place)),
            _ => bytes[place] = byte,
        }
        match used(folder) {
            Ok(hits) => prop_assert!(hits.iter().all(|hit| hit.score.is_finite())),
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                prop_assert_eq!(error.code().is_empty(), false);
            }
        }
    }
}
