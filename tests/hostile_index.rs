//! Damaged, exchanged and hostile files of an index: each is refused with an error that names the file or the field, and nothing panics.

mod common;

use common::index::{Collection, DIMENSION, Folder, MANIFEST};
use proptest::prelude::*;
use serde_json::{Value, json};
use tabrank::{
    Codec, CompressedEmbeddings, Documents, EmbeddingsFile, EmbeddingsInfo, Index, PartKind, Rows,
    SearchOptions,
};

const KINDS: [PartKind; 3] = [PartKind::Codec, PartKind::Lists, PartKind::Documents];

fn folder() -> Folder {
    Collection::new(480, 2, 20).built(0..480)
}

#[test]
fn a_damaged_part_is_named_wherever_it_is_damaged() {
    let folder = folder();
    for kind in KINDS {
        let file = folder.manifest().parts(kind)[0].file.clone();
        let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut damaged = folder.clone();
            change(damaged.0.get_mut(&file).unwrap());
            let error = damaged.read_all().unwrap_err();
            assert_eq!(error.code(), "INTEGRITY_FAILED");
            error.to_string()
        };
        let size = folder.0[&file].len();
        for place in [0, size / 2, size - 1] {
            let error = damaged(&|bytes| bytes[place] ^= 1);
            assert!(
                error.starts_with(&file) && error.contains("index.json lists sha256"),
                "{error}"
            );
        }
        for length in [0, 1, size - 1] {
            let error = damaged(&|bytes| bytes.truncate(length));
            assert!(error.contains(&format!("found {length} bytes")), "{error}");
        }
        let error = damaged(&|bytes| *bytes = b"<!doctype html>".to_vec());
        assert!(error.contains("found 15 bytes"), "{error}");
    }
}

#[test]
fn parts_in_each_others_place_are_told_apart() {
    let folder = folder();
    for kind in [PartKind::Lists, PartKind::Documents] {
        let manifest = folder.manifest();
        let (first, second) = (&manifest.parts(kind)[0].file, &manifest.parts(kind)[1].file);
        let mut swapped = folder.clone();
        swapped.0.insert(first.clone(), folder.0[second].clone());
        swapped.0.insert(second.clone(), folder.0[first].clone());
        assert_eq!(swapped.read_all().unwrap_err().code(), "INTEGRITY_FAILED");
        // Even where the manifest says so.
        let mut exchanged = folder.clone();
        exchanged.exchange(kind.name(), 0, folder.0[second].clone());
        let error = exchanged.read_all().unwrap_err();
        assert_eq!(error.code(), "INDEX_INVALID", "{error}");
    }
}

#[test]
fn a_missing_part_is_asked_for_until_it_is_there() {
    let folder = folder();
    let mut index = Index::open(&folder.0[MANIFEST]).unwrap();
    let wanted = index.wanted();
    assert_eq!(wanted, [folder.manifest().codec[0].file.clone()]);
    assert_eq!(index.give(&wanted[0], b"").unwrap_err().code(), "INTEGRITY_FAILED");
    assert_eq!(index.wanted(), wanted);
    let error = index.give("codec-0123456789abcdef.bin", b"").unwrap_err().to_string();
    assert_eq!(error, "index.json: parts list no \"codec-0123456789abcdef.bin\"");
    index.give(&wanted[0], &folder.0[&wanted[0]]).unwrap();
    assert!(index.wanted().is_empty());

    let mut search = index.search(&[0.25; DIMENSION], &SearchOptions::default()).unwrap();
    let lists = search.wanted();
    search.give(&lists[0], b"?").unwrap_err();
    assert_eq!(search.wanted(), lists);
    assert!(search.hits().is_empty());
    // Of a later step, and one that was there before.
    search
        .give(
            &folder.manifest().parts(PartKind::Documents)[0].file,
            folder.part(PartKind::Documents, 0),
        )
        .unwrap();
    for _ in 0..2 {
        search.give(&lists[0], &folder.0[&lists[0]]).unwrap();
    }
    assert_eq!(search.wanted(), lists[1..]);
}

/// What is wrong with the lists of a part that is the one of the manifest.
#[test]
fn lists_that_are_none_are_refused() {
    let folder = folder();
    let whole = folder.part(PartKind::Lists, 0).to_vec();
    let error = |bytes: Vec<u8>| {
        let mut crafted = folder.clone();
        crafted.exchange("lists", 0, bytes);
        let file = crafted.manifest().parts(PartKind::Lists)[0].file.clone();
        let error = crafted.read_all().unwrap_err();
        assert_eq!(error.code(), "INDEX_INVALID");
        let error = error.to_string();
        error.strip_prefix(&file).unwrap_or_else(|| panic!("{error}")).trim().to_owned()
    };
    let with = |start: &[u8]| [start, &[0; 100]].concat();
    assert_eq!(error([&[7], &whole[1..]].concat()), "begins with centroid 7, not 0");
    assert_eq!(error([&whole[..], &[0]].concat()), "has 1 bytes behind its last list");
    assert!(error(whole[..whole.len() - 1].to_vec()).starts_with("has a damaged list "));
    assert_eq!(error(with(&[0, 2, 0xdf, 3, 0])), "has a damaged list 0: [1] is there twice",);
    assert_eq!(error(with(&[0, 1, 0xe0, 3])), "has a damaged list 0: [0] is not below 480");
    assert_eq!(error(with(&[0, 2, 0xdf, 3, 1])), "has a damaged list 0: [1] is not below 480");
    let large = [0, 2, 1, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(error(with(&large)), "has a damaged list 0: [1] is not below 480");
    let huge = [0, 0xff, 0xff, 0xff, 0xff, 0x1f];
    assert_eq!(error(with(&huge)), "has a damaged list 0: holds a number of over 32 bits");
    let endless = [0, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(error(with(&endless)).contains("or holds one of over 32 bits"));
    let many = [0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(
        error(with(&many)).contains("4294967295 documents do not fit into"),
        "{}",
        error(with(&many))
    );
}

/// Each part is as such a part should be, and the whole is not.
#[test]
fn parts_that_do_not_go_together_are_told() {
    let collection = Collection::new(480, 2, 1);
    let folder = collection.built(0..480);
    folder.check().unwrap();
    Collection::new(3000, 1, 1).built(0..3000).check().unwrap();
    Collection::new(480, 2, 20).built(0..0).check().unwrap();
    let error = |change: &dyn Fn(&mut Folder)| {
        let mut crafted = folder.clone();
        change(&mut crafted);
        crafted.read_all().unwrap();
        crafted.check().unwrap_err().to_string()
    };
    // Documents without tokens come last: the list of the one centroid is all numbers below theirs.
    let with_tokens = collection.all.lengths().iter().filter(|&&length| length > 0).count();
    let list = |count: usize, first: u8| {
        let steps = std::iter::once(first).chain(std::iter::repeat_n(1, count - 1));
        [&[0, count as u8 & 0x7f | 0x80, (count >> 7) as u8][..], &steps.collect::<Vec<u8>>()]
            .concat()
    };
    assert_eq!(list(with_tokens, 0), folder.part(PartKind::Lists, 0));
    let lists = |bytes: Vec<u8>| error(&|folder| folder.exchange("lists", 0, bytes.clone()));
    let fewer = lists(list(with_tokens - 1, 0));
    assert!(
        fewer.starts_with("lists-")
            && fewer.ends_with(&format!(
                ".bin lists {} documents of centroid 0; {with_tokens} have a token there",
                with_tokens - 1
            )),
        "{fewer}"
    );
    let others = lists(list(with_tokens, 1));
    assert!(
        others.ends_with("lists other documents of centroid 0 than have a token there"),
        "{others}"
    );
    let manifest = |field: &str, value: Value| {
        error(&|folder| {
            let mut manifest: Value = serde_json::from_slice(&folder.0[MANIFEST]).unwrap();
            manifest[field] = value.clone();
            folder.0.insert(MANIFEST.to_owned(), manifest.to_string().into_bytes());
        })
    };
    let tokens = collection.all.lengths().iter().sum::<usize>();
    let expected = format!("index.json: tokens are 7; the documents have {tokens}");
    assert_eq!(manifest("tokens", json!(7)), expected);
    let twice = error(&|folder| {
        let codecs = [collection.codec.clone()];
        let part = folder.part(PartKind::Documents, 0).to_vec();
        let mut file = EmbeddingsFile::read("part", &part, &codecs).unwrap();
        let ids = file.ids.as_mut().unwrap();
        ids[1] = ids[0].clone();
        folder.exchange("documents", 0, file.write());
    });
    assert!(twice.starts_with("document \"d") && twice.ends_with("is there twice"), "{twice}");
}

#[test]
fn documents_that_are_none_are_refused() {
    let collection = Collection::new(480, 2, 20);
    let folder = collection.built(0..480);
    let error = |bytes: Vec<u8>| {
        let mut crafted = folder.clone();
        crafted.exchange("documents", 0, bytes);
        let error = crafted.read_all().unwrap_err();
        assert_eq!(error.code(), "INDEX_INVALID");
        error.to_string()
    };
    let whole = folder.part(PartKind::Documents, 0);
    let codecs = [collection.codec.clone()];
    let file = EmbeddingsFile::read("part", whole, &codecs).unwrap();
    let written = |change: &dyn Fn(&mut EmbeddingsFile)| {
        let mut file = file.clone();
        change(&mut file);
        error(file.write())
    };
    let ids = written(&|file| file.ids = None);
    assert!(ids.ends_with("has no ids"), "{ids}");
    let count = file.embeddings.len();
    let fewer = written(&|file| {
        file.embeddings = file.embeddings.select(1..count);
        file.ids.as_mut().unwrap().pop();
    });
    assert!(fewer.ends_with(&format!("holds {} documents, not {count}", count - 1)), "{fewer}");
    let ids = written(&|file| drop(file.ids.as_mut().unwrap().pop()));
    assert!(ids.contains(&format!("ids are {}, of {count} texts", count - 1)), "{ids}");
    let scalar = written(&|file| {
        let lengths = file.embeddings.lengths().to_vec();
        let values = vec![0.25; lengths.iter().sum::<usize>() * DIMENSION];
        let rows = Rows::F32(values);
        let plain = CompressedEmbeddings::from_parts(Codec::F32, DIMENSION, lengths, rows);
        file.embeddings = plain.unwrap();
    });
    assert!(scalar.ends_with("holds rows of f32"), "{scalar}");
    let other = Collection::new(120, 4, 20);
    let other = EmbeddingsFile::new(other.all, EmbeddingsInfo::default());
    assert!(error(other.write()).contains("codecId is "));
    assert!(error(vec![b'{'; 800]).contains("is not as it should be"));
    // Those who build anew read it too.
    let mut crafted = folder.clone();
    crafted.exchange("documents", 0, vec![b'{'; 800]);
    assert_eq!(crafted.documents().read(0).unwrap_err().code(), "INDEX_INVALID");
}

#[test]
fn another_codec_than_the_manifests_is_refused() {
    let folder = folder();
    for other in
        [Collection::new(120, 4, 20), Collection::new(120, 2, 19), Collection::new(90, 2, 20)]
    {
        let mut crafted = folder.clone();
        crafted.exchange("codec", 0, other.codec.write());
        let error = crafted.read_all().unwrap_err();
        assert_eq!(error.code(), "INDEX_INVALID");
        assert!(error.to_string().contains("index.json tells of"), "{error}");
    }
    let mut crafted = folder.clone();
    crafted.exchange("codec", 0, vec![b'x'; 200]);
    let error = crafted.read_all().unwrap_err();
    assert!(error.to_string().contains("is not a valid safetensors file"), "{error}");
    assert_eq!(error.code(), "INDEX_INVALID");
}

/// A field's place, what stands there instead, and the start of what is said of it.
#[test]
fn a_manifest_that_does_not_fit_is_refused_by_field() {
    let folder = folder();
    let lists = folder.manifest().parts(PartKind::Lists).len();
    let cases: &[(&str, Value, &str)] = &[
        ("/format", json!("tabrank-bundle"), "format is not \"tabrank-index\""),
        ("/version", json!(2), "version is 2; 1 is read"),
        ("/version", json!("1"), "version is not a whole number"),
        ("/embeddingId", json!(7), "embeddingId is not a string"),
        ("/tokenPooling", json!([]), "tokenPooling is not a string"),
        ("/codecId", json!(null), "codecId is not a string"),
        ("/dimension", json!(0), "dimension is 0"),
        ("/dimension", json!(17), "dimension is 17"),
        ("/dimension", json!(-16), "dimension is not a whole number"),
        ("/dimension", json!(16.5), "dimension is not a whole number"),
        ("/nbits", json!(3), "nbits is 3"),
        ("/nbits", json!(1e300), "nbits is not a whole number"),
        ("/centroids", json!(0), "centroids is 0"),
        ("/centroids", json!(21), "parts.lists hold 20 of 21"),
        ("/centroids", json!(1u64 << 32), "centroids is not a whole number up to 4294967295"),
        ("/documents", json!(481), "parts.documents hold 480 of 481"),
        ("/documents", json!(479), "parts.documents["),
        ("/documents", json!(u64::MAX), "documents is not a whole number"),
        ("/tokens", json!(1u64 << 53), "tokens is not a whole number"),
        ("/parts", json!(null), "parts is not an object"),
        ("/parts/codec", json!([]), "parts.codec hold no bytes"),
        ("/parts/lists", json!({}), "parts.lists is not a list"),
        ("/parts/lists", json!([]), "parts.lists hold 0 of 20"),
        ("/parts/lists/0", json!(7), "parts.lists[0] is not an object"),
        ("/parts/lists/0/file", json!("../lists-0.bin"), "parts.lists[0].file is not \"lists-"),
        ("/parts/lists/0/file", json!(7), "parts.lists[0].file is not a string"),
        (
            "/parts/lists/0/bytes",
            json!(262_145),
            "parts.lists[0].bytes is not a whole number up to 262144",
        ),
        ("/parts/lists/0/bytes", json!(1), "parts.lists[0].bytes is below the "),
        (
            "/parts/lists/0/sha256",
            json!("A".repeat(64)),
            "parts.lists[0].sha256 is not 64 lower-case",
        ),
        (
            "/parts/lists/0/sha256",
            json!("a".repeat(64)),
            "parts.lists[0].file is not \"lists-aaaaaaaaaaaaaaaa.bin\"",
        ),
        ("/parts/lists/0/first", json!(1), "parts.lists[0].first is 1"),
        ("/parts/lists/0/last", json!(20), "parts.lists[0].last is 20"),
        ("/parts/lists/0/last", json!(19), "parts.lists[1].first is "),
        ("/parts/documents/1/first", json!(0), "parts.documents[1].first is 0"),
        ("/parts/documents/1/last", json!(0), "parts.documents[1].last is 0"),
        ("/parts/documents/1/last", json!(u32::MAX), "parts.documents[1].last is 4294967295"),
        ("/parts/documents/1/last", json!(-1), "parts.documents[1].last is not a whole number"),
    ];
    assert!(lists > 1);
    let manifest: Value = serde_json::from_slice(&folder.0[MANIFEST]).unwrap();
    // A document does not go on in the next part, as a list does.
    let last = manifest["parts"]["documents"][0]["last"].clone();
    let named = format!("parts.documents[1].first is {last}");
    let again = ("/parts/documents/1/first", last, &*named);
    for (place, value, expected) in cases.iter().chain([&again]) {
        let mut changed = manifest.clone();
        *changed.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value.clone();
        let error = Index::open(changed.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), "INDEX_INVALID");
        let error = error.to_string();
        assert!(error.starts_with(&format!("index.json: {expected}")), "{place} {value}: {error}");
    }
    let twice = String::from_utf8(folder.0[MANIFEST].clone()).unwrap();
    let twice = twice.replacen("\"nbits\": 2,", "\"nbits\": 2, \"nbits\": 2,", 1);
    assert!(Index::open(twice.as_bytes()).unwrap_err().to_string().contains("\"nbits\" twice"));
    for bytes in [&b""[..], b"[]", b"<!doctype html>", &vec![b' '; (16 << 20) + 1]] {
        assert_eq!(Index::open(bytes).unwrap_err().code(), "INDEX_INVALID");
    }
    // Of one state, and of all of it: more than a codec of this size has.
    let mut changed = manifest.clone();
    let piece = changed["parts"]["codec"][0].clone();
    changed["parts"]["codec"] = json!(vec![piece; 2000]);
    let error = Index::open(changed.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("index.json: parts.codec hold "), "{error}");
    let mut changed = manifest.clone();
    changed["parts"]["lists"][1] = changed["parts"]["lists"][0].clone();
    Index::open(changed.to_string().as_bytes()).unwrap_err();
}

/// Bytes that change in a part which the manifest vouches for, or in the manifest.
#[derive(Debug, Clone)]
struct Change {
    kind: usize,
    place: usize,
    edits: Vec<(usize, u8)>,
    length: Option<usize>,
}

fn changes() -> impl Strategy<Value = Change> {
    let edits = prop::collection::vec((any::<usize>(), any::<u8>()), 1..6);
    (0..4usize, any::<usize>(), edits, prop::option::weighted(0.2, any::<usize>()))
        .prop_map(|(kind, place, edits, length)| Change { kind, place, edits, length })
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        for (place, byte) in &self.edits {
            let place = place % bytes.len();
            bytes[place] = *byte;
        }
        if let Some(length) = self.length {
            bytes.truncate(length % bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// It is searched, or refused; and built into another one, or refused.
    #[test]
    fn arbitrary_bytes_never_panic(change in changes()) {
        thread_local!(static FOLDER: Folder = folder());
        let mut folder = FOLDER.with(Folder::clone);
        match KINDS.get(change.kind) {
            Some(kind) => {
                let manifest = folder.manifest();
                let place = change.place % manifest.parts(*kind).len();
                let mut bytes = folder.part(*kind, place).to_vec();
                change.apply(&mut bytes);
                folder.exchange(kind.name(), place, bytes);
            }
            None => change.apply(folder.0.get_mut(MANIFEST).unwrap()),
        }
        let _ = (folder.read_all(), folder.check());
    }
}
