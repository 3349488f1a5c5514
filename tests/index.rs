//! Which documents of a collection does an index find? Held against MaxSim with all of them, and builds in portions against one at once.

mod common;

use std::collections::BTreeSet;

use common::index::{Collection, DIMENSION, Folder, Given, MANIFEST};
use tabrank::late_interaction::index::MAX_PART;
use tabrank::late_interaction::maxsim::maxsim_compressed;
use tabrank::{
    BuildOptions, Documents, Error, Index, IndexDocument, Joined, PartKind, ResidualCodec,
    ResidualParts, SearchOptions, build,
};

fn options(top_k: usize, n_ivf_probe: usize, n_full_scores: usize) -> SearchOptions {
    SearchOptions { top_k, n_ivf_probe, n_full_scores }
}

/// Ids and scores of the documents that have tokens, best first.
fn exhaustive(collection: &Collection, query: &[f32]) -> Vec<(String, f32)> {
    let scores = maxsim_compressed(query, &collection.all);
    let lengths = collection.all.lengths();
    let mut ranked: Vec<(String, f32)> = (0..scores.len())
        .filter(|&place| lengths[place] > 0)
        .map(|place| (format!("d{place}"), scores[place]))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

fn ids(hits: &[tabrank::Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.id.as_str()).collect()
}

#[test]
fn probed_in_full_a_search_is_exhaustive() {
    for (nbits, centroids) in [(1, 1), (2, 40), (4, 40), (8, 7)] {
        let collection = Collection::new(300, nbits, centroids);
        let folder = collection.built(0..300);
        let query = collection.query(5, 2);
        let (hits, _) = folder.search(&query, &options(400, centroids, 1)).unwrap();
        let expected = exhaustive(&collection, &query);
        assert_eq!(hits.len(), expected.len());
        for (hit, (_, score)) in hits.iter().zip(&expected) {
            assert_eq!(hit.score, *score);
        }
        let found: BTreeSet<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
        assert_eq!(found, expected.iter().map(|(id, _)| id.as_str()).collect());
        for pair in hits.windows(2).filter(|pair| pair[0].score == pair[1].score) {
            assert!(pair[0].document < pair[1].document, "equals come by number");
        }
    }
}

/// A twentieth of the centroids is probed, and a twentieth of the documents scored.
#[test]
fn probed_in_part_it_finds_nearly_the_same_with_fewer_bytes() {
    let collection = Collection::new(1500, 2, 160);
    let folder = collection.built(0..1500);
    let bytes: u64 = folder.manifest().bytes();
    let (mut found, mut wanted, mut read) = (0, 0, 0);
    for place in (0..1500).step_by(30).filter(|&place| collection.all.lengths()[place] > 3) {
        let query = collection.query(place, 4);
        let (hits, some) = folder.search(&query, &options(10, 8, 64)).unwrap();
        let best = &exhaustive(&collection, &query)[..10];
        let hits = ids(&hits);
        found += best.iter().filter(|(id, _)| hits.contains(&id.as_str())).count();
        (wanted, read) = (wanted + 10, read + some);
    }
    let searches = wanted / 10;
    assert!(searches > 20);
    assert!(found * 100 >= wanted * 95, "{found} of {wanted}");
    assert!(read / searches * 2 < bytes as usize, "{} of {bytes} bytes", read / searches);
}

/// More of either setting never finds less of what is best.
#[test]
fn settings_do_what_they_say() {
    let collection = Collection::new(600, 4, 80);
    let folder = collection.built(0..600);
    let recall = |n_ivf_probe, n_full_scores| {
        let places = (0..600).step_by(20).filter(|&place| collection.all.lengths()[place] > 2);
        let found = places.map(|place| {
            let query = collection.query(place, 3);
            let search = options(10, n_ivf_probe, n_full_scores);
            let (hits, bytes) = folder.search(&query, &search).unwrap();
            let best = &exhaustive(&collection, &query)[..10];
            let hits = ids(&hits);
            (best.iter().filter(|(id, _)| hits.contains(&id.as_str())).count(), bytes)
        });
        found.fold((0, 0), |sum, (found, bytes)| (sum.0 + found, sum.1 + bytes))
    };
    let (few, more_probes, more_documents) = (recall(1, 10), recall(8, 10), recall(1, 100));
    assert!(few.0 < more_probes.0 && few.0 < more_documents.0, "{few:?} {more_probes:?}");
    assert!(few.1 < more_documents.1, "{few:?} {more_documents:?}");
}

#[test]
fn merged_parts_are_the_index_built_at_once() {
    let collection = Collection::new(400, 2, 60);
    let whole = collection.built(0..400);
    assert!(whole.manifest().parts(PartKind::Documents).len() > 5);
    for cuts in [vec![0, 400], vec![0, 0, 1, 150, 400, 400], vec![0, 399, 400]] {
        let parts: Vec<Folder> =
            cuts.windows(2).map(|pair| collection.built(pair[0]..pair[1])).collect();
        let sources = parts.iter().map(|part| Box::new(part.documents()) as _).collect();
        assert_eq!(Folder::built(&collection.codec, &mut Joined(sources)), whole, "{cuts:?}");
    }
}

/// As new documents come: behind those of an index that is there.
#[test]
fn what_was_added_and_deleted_again_leaves_no_trace() {
    let collection = Collection::new(300, 4, 50);
    let first = collection.built(0..200);
    let added: Joined<'_, Error> =
        Joined(vec![Box::new(first.documents()), Box::new(collection.some(200..300))]);
    let all = Folder::built(&collection.codec, &mut { added });
    assert_eq!(all, collection.built(0..300));
    let mut left = all.documents();
    let deleted: Vec<String> = (0..300).filter(|i| i % 3 == 0).map(|i| format!("d{i}")).collect();
    left.delete(&deleted[..40]).unwrap();
    left.delete(&deleted[40..]).unwrap();
    let rest = Folder::built(&collection.codec, &mut left);
    assert_eq!(rest, collection.built((0..300).filter(|i| i % 3 != 0)));
}

#[test]
fn few_documents_or_none() {
    let collection = Collection::new(60, 2, 9);
    let query = collection.query((0..60).find(|&i| collection.all.lengths()[i] > 1).unwrap(), 2);
    let search = |folder: &Folder, query: &[f32], top_k| {
        let (hits, _) = folder.search(query, &options(top_k, 9, 64)).unwrap();
        hits.into_iter().map(|hit| hit.id).collect::<Vec<_>>()
    };
    let empty = collection.built(0..0);
    assert_eq!(empty.manifest().parts(PartKind::Documents), []);
    assert_eq!(search(&empty, &query, 10), Vec::<String>::new());

    let one = (0..60).find(|&place| collection.all.lengths()[place] > 0).unwrap();
    assert_eq!(search(&collection.built([one]), &query, 10), [format!("d{one}")]);
    let without = (0..60).find(|&place| collection.all.lengths()[place] == 0).unwrap();
    let folder = collection.built([without, one]);
    assert_eq!(folder.manifest().documents, 2);
    assert_eq!(search(&folder, &query, 10), [format!("d{one}")]);

    let all = collection.built(0..60);
    assert_eq!(search(&all, &query, 0), Vec::<String>::new());
    assert_eq!(search(&all, &[], 10), Vec::<String>::new());
    assert_eq!(search(&all, &query, 3), search(&all, &query, 1000)[..3]);
    let (hits, bytes) = all.search(&query, &options(0, 9, 64)).unwrap();
    assert!(hits.is_empty() && bytes == 0);
}

#[test]
fn ids_are_kept_as_they_are() {
    let collection = Collection::new(40, 2, 9);
    let names = ["a/b c.pdf:page_3", "", "\"quoted\\", "\u{0}\u{7f}\n", "野猪 e\u{301}", "d0"];
    let mut documents =
        collection.some((0..40).filter(|&i| collection.all.lengths()[i] > 0).take(6));
    documents.0.iter_mut().zip(names).for_each(|(document, name)| document.id = name.to_owned());
    let folder = Folder::built(&collection.codec, &mut documents);
    let (hits, _) = folder.search(&[0.25; DIMENSION], &options(10, 9, 10)).unwrap();
    assert_eq!(BTreeSet::from_iter(ids(&hits)), BTreeSet::from(names));
    let mut left = folder.documents();
    left.delete(&names.map(str::to_owned)[..3]).unwrap();
    assert_eq!(left.count(), 3);
}

/// More documents than a part holds the numbers of.
#[test]
fn a_long_list_goes_on_in_the_next_part() {
    let one = Collection::new(3000, 1, 1);
    let folder = one.built(0..3000);
    let parts = folder.manifest().lists;
    assert!(parts.len() > 1);
    assert!(parts.iter().all(|part| part.range == Some(0..=0) && part.integrity.bytes <= 1024));
    let query = one.query(8, 1);
    let (hits, _) = folder.search(&query, &options(5000, 1, 1)).unwrap();
    assert_eq!(hits.len(), exhaustive(&one, &query).len());
}

#[test]
fn parts_are_no_larger_than_asked_for_unless_one_document_is() {
    let collection = Collection::new(200, 8, 30);
    let wide = IndexDocument {
        id: "wide".to_owned(),
        codes: vec![3; 400],
        residuals: vec![7; 400 * DIMENSION],
    };
    let mut documents = collection.some(0..200);
    documents.0.insert(77, wide.clone());
    let folder = Folder::built(&collection.codec, &mut documents);
    let manifest = folder.manifest();
    let large: Vec<_> = manifest
        .parts(PartKind::Lists)
        .iter()
        .chain(manifest.parts(PartKind::Documents))
        .filter(|part| part.integrity.bytes > 1024)
        .collect();
    assert_eq!(large.len(), 1);
    assert_eq!(large[0].range.as_ref().map(|range| range.end() - range.start()), Some(0));
    assert_eq!(manifest.tokens, 400 + collection.all.lengths().iter().sum::<usize>() as u64);

    let of = |tokens: usize| IndexDocument {
        codes: vec![3; tokens],
        residuals: vec![7; tokens * DIMENSION],
        ..wide.clone()
    };
    let most = (MAX_PART - 1000) / (DIMENSION + 4);
    let folder = Folder::built(&collection.codec, &mut Given(vec![of(most)]));
    assert!(folder.0.values().all(|bytes| bytes.len() <= MAX_PART));
    let error = refused(&collection, vec![of(MAX_PART / (DIMENSION + 4))]);
    assert!(error.contains("document \"wide\" has 13107 embeddings"), "{error}");
}

fn refused(collection: &Collection, documents: Vec<IndexDocument>) -> String {
    let mut folder = Folder::default();
    let options = BuildOptions::default();
    build(&collection.codec, &mut Given(documents), &options, &mut folder).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_built_is_named() {
    let collection = Collection::new(30, 2, 5);
    let mut documents = collection.some(0..30).0;
    documents[20].id = "d7".to_owned();
    assert_eq!(refused(&collection, documents), "document \"d7\" is there twice");
    let changed = |change: &dyn Fn(&mut IndexDocument)| {
        let mut document = collection.document(1);
        change(&mut document);
        refused(&collection, vec![collection.document(0), document])
    };
    let long = changed(&|document| document.id = "x".repeat(1025));
    assert_eq!(long, "documents[1].id has 1025 bytes; at most 1024 are taken");
    let code = changed(&|document| document.codes.push(5));
    assert_eq!(code, "document \"d1\" has the code 5; the codec has 5 centroids");
    let rows = changed(&|document| document.residuals.push(5));
    assert!(rows.starts_with("residuals "), "{rows}");
    for part_bytes in [1023, MAX_PART + 1] {
        let options = BuildOptions { part_bytes: Some(part_bytes), ..BuildOptions::default() };
        let mut folder = Folder::default();
        let error = build(&collection.codec, &mut Unread, &options, &mut folder);
        assert!(error.unwrap_err().to_string().starts_with("part_bytes is "));
        assert_eq!(folder, Folder::default());
    }
}

#[test]
fn all_that_is_not_there_is_named() {
    let collection = Collection::new(30, 2, 5);
    let folder = collection.built(0..3);
    let error = |ids: &[&str]| {
        let mut documents = folder.documents();
        let ids: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
        let error = documents.delete(&ids).unwrap_err().to_string();
        assert_eq!(documents.count(), 3);
        error
    };
    assert_eq!(error(&["d1", "d9", "d9"]), "document \"d9\" is not there");
    assert_eq!(error(&["d8", "d1", "d7"]), "documents \"d7\", \"d8\" are not there");
    let many = error(&["a", "b", "c", "d", "e", "f", "d1", "g"]);
    let expected = "documents \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more are not there";
    assert_eq!(many, expected);
}

/// Documents that must not be read.
struct Unread;

impl Documents for Unread {
    type Error = Error;

    fn count(&self) -> usize {
        1
    }

    fn read(&mut self, _: usize) -> Result<IndexDocument, Error> {
        panic!("nothing is read before what was asked for is checked")
    }
}

#[test]
fn what_cannot_be_searched_is_named() {
    let collection = Collection::new(30, 2, 5);
    let folder = collection.built(0..30);
    let error = |query: &[f32], n_ivf_probe| {
        folder.search(query, &options(10, n_ivf_probe, 10)).unwrap_err().to_string()
    };
    assert_eq!(error(&[0.0; 15], 8), "query is no rows of 16");
    assert_eq!(error(&[f32::NAN; 16], 8), "query holds a number that is not finite");
    assert_eq!(error(&[0.0; 16], 0), "n_ivf_probe is 0");
    let endless = error(&[1e38; 16], 8);
    assert!(endless.ends_with("] is not finite"), "{endless}");
    let index = Index::open(&folder.0[MANIFEST]).unwrap();
    let unready = index.search(&[0.0; 16], &SearchOptions::default()).unwrap_err();
    assert_eq!(unready.to_string(), "the index lacks parts of its codec");
}

#[test]
fn another_models_embeddings_are_refused() {
    let collection = Collection::new(30, 2, 5);
    let mut options = BuildOptions::default();
    options.info.embedding_id = Some("t1-a".to_owned());
    let mut folder = Folder::default();
    let manifest = build(&collection.codec, &mut collection.some(0..30), &options, &mut folder);
    let index = Index::open(&manifest.unwrap().write()).unwrap();
    assert_eq!(index.manifest().info.embedding_id.as_deref(), Some("t1-a"));
    assert_eq!(index.check_model(Some("t1-a"), DIMENSION), Ok(()));
    assert_eq!(index.check_model(None, DIMENSION), Ok(()));
    for (id, dimension) in [(Some("t1-b"), DIMENSION), (Some("t1-a"), 8), (None, 8)] {
        let error = index.check_model(id, dimension).unwrap_err();
        assert_eq!(error.code(), "MODEL_MISMATCH");
        assert!(error.to_string().starts_with("the index holds embeddings of "), "{error}");
    }
}

/// Of halves where these hold them to the value, so that a page fetches half as much.
#[test]
fn centroids_are_stored_as_small_as_their_values_allow() {
    let trained = Collection::new(30, 2, 5).codec;
    let parts = |first: f32| {
        let mut parts: ResidualParts = trained.parts().clone();
        parts.centroids[0] = first;
        ResidualCodec::new(parts).unwrap().into()
    };
    for (codec, bytes) in [(parts(0.5), 2), (parts(0.1), 4)] {
        let folder = Folder::built(&codec, &mut Given(Vec::new()));
        assert_eq!(folder.open().unwrap().codec(), Some(&codec));
        let size = folder.manifest().codec[0].integrity.bytes as usize;
        let rest = size - bytes * 5 * DIMENSION;
        assert!((300..1000).contains(&rest), "{size}");
    }
}
