//! Embeddings as codecs store them: what comes back, what a file holds, and what is refused by name.

use std::sync::Arc;

use tabrank::{
    Codec, CompressedEmbeddings, DocumentRows, EmbeddingsFile, EmbeddingsInfo, ResidualCodec,
    ResidualParts, Rows, TokenEmbeddings,
};

/// Two documents and an empty one between them, 8 wide.
fn embeddings() -> TokenEmbeddings {
    let values = (0..24).map(|place| ((place * 7 % 11) as f32 - 5.0) / 16.0).collect();
    TokenEmbeddings::from_parts(values, vec![1, 0, 2], 8).unwrap()
}

fn parts(nbits: usize) -> ResidualParts {
    let count = 1 << nbits;
    let number = |place: usize| (place as f32 - count as f32 / 2.0) / 10.0;
    ResidualParts {
        dimension: 8,
        nbits,
        centroids: (0..24).map(|place| if place % 9 == 0 { 4.0 } else { 0.0 }).collect(),
        cutoffs: (1..count).map(number).collect(),
        weights: (0..count).map(|place| number(place) + 0.05).collect(),
        avg_residual: vec![0.25; 8],
        embedding_id: Some("v1-model".to_owned()),
    }
}

fn residual(nbits: usize) -> Arc<ResidualCodec> {
    Arc::new(ResidualCodec::new(parts(nbits)).unwrap())
}

fn codecs() -> Vec<Codec> {
    let plain = [Codec::F32, Codec::F16, Codec::Int8, Codec::Binary];
    let residual = [1, 2, 4, 8].map(|nbits| Codec::Residual(residual(nbits)));
    plain.into_iter().chain(residual).collect()
}

#[test]
fn rows_take_the_bytes_that_their_codec_says() {
    for codec in codecs() {
        let compressed = codec.compress(&embeddings()).unwrap();
        assert_eq!(compressed.bytes(), 3 * codec.row_bytes(8), "{codec:?}");
        assert_eq!(compressed.lengths(), [1, 0, 2]);
        assert_eq!(compressed.decompress().lengths(), [1, 0, 2]);
    }
}

#[test]
fn documents_lie_where_their_lengths_say() {
    for codec in codecs() {
        let all = codec.compress(&embeddings()).unwrap();
        let mut pushed = CompressedEmbeddings::new(codec.clone(), 8).unwrap();
        for (text, rows) in embeddings().texts().zip(all.documents()) {
            let alone = TokenEmbeddings::from_parts(text.to_vec(), vec![text.len() / 8], 8);
            let alone = codec.compress(&alone.unwrap()).unwrap();
            assert_eq!(alone.rows().view(), rows, "{codec:?}");
            pushed.push(text.len() / 8, rows).unwrap();
        }
        assert_eq!(pushed, all);
        let mut twice = all.clone();
        twice.extend(&all).unwrap();
        assert_eq!(twice.document(5), all.document(2));
        assert_eq!(twice.len(), 6);
    }
}

#[test]
fn a_file_gives_back_what_was_written() {
    let residuals: Vec<_> = [1, 2, 4, 8].map(residual).into();
    for codec in codecs() {
        let info = EmbeddingsInfo {
            embedding_id: Some("v1-model".to_owned()),
            token_pooling: Some("2".to_owned()),
        };
        let mut file = EmbeddingsFile::new(codec.compress(&embeddings()).unwrap(), info);
        assert_eq!(EmbeddingsFile::read("a", &file.write(), &residuals), Ok(file.clone()));
        file.indices = Some(vec![4, 2, 9]);
        file.truncated = Some(vec![false, true, false]);
        file.grid = Some(vec![[1, 1], [0, 0], [2, 1]]);
        file.page = Some(vec![[595.0, 842.0]; 3]);
        assert_eq!(EmbeddingsFile::read("a", &file.write(), &residuals), Ok(file));
    }
}

/// Each tensor begins where its numbers can be viewed, as other readers of the format find it.
#[test]
fn tensors_of_a_file_are_aligned() {
    for codec in codecs() {
        let compressed = codec.compress(&embeddings()).unwrap();
        let mut file = EmbeddingsFile::new(compressed, EmbeddingsInfo::default());
        file.truncated = Some(vec![true; 3]);
        file.indices = Some(vec![0; 3]);
        let bytes = file.write();
        let (header, found) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        for (name, info) in found.tensors() {
            let place = 8 + header + info.data_offsets.0;
            assert!(place.is_multiple_of(info.dtype.bitsize() / 8), "{codec:?}: {name}");
        }
    }
}

#[test]
fn a_codec_s_file_gives_back_the_codec() {
    for nbits in [1, 2, 4, 8] {
        let codec = residual(nbits);
        let read = ResidualCodec::read("c", &codec.write()).unwrap();
        assert_eq!(read.parts(), codec.parts());
        assert_eq!(read.id(), codec.id());
    }
    assert_ne!(residual(1).id(), residual(2).id());
}

/// From the description: buckets 0, 1, 2, 3 at 2 bits are byte 39, buckets 1 and 14 at 4 bits are byte 135.
#[test]
fn bits_of_a_bucket_stand_lowest_first() {
    let of = |nbits, residuals: [f32; 8]| {
        let codec = Codec::Residual(residual(nbits));
        let mut values = residuals.to_vec();
        // Of the first centroid.
        values[0] += 4.0;
        let embeddings = TokenEmbeddings::from_parts(values, vec![1], 8).unwrap();
        match codec.compress(&embeddings).unwrap().rows() {
            Rows::Residual { codes, residuals } => (codes[0], residuals.clone()),
            other => panic!("{other:?}"),
        }
    };
    let two = [-0.15, -0.05, 0.05, 0.15, -0.15, -0.15, -0.15, -0.15];
    assert_eq!(of(2, two), (0, vec![39, 0]));
    let four = [-0.65, 0.65, -0.75, -0.75, -0.75, -0.75, -0.75, -0.75];
    assert_eq!(of(4, four), (0, vec![135, 0, 0, 0]));
}

#[test]
fn long_rows_are_scaled_and_counted() {
    let values = vec![3.0, 4.0, 0.6, 0.8, 0.1, 0.2, 1.005, 0.0, 3e38, 3e38];
    let embeddings = TokenEmbeddings::from_parts(values, vec![2, 3], 2).unwrap();
    for codec in [Codec::F32, Codec::Int8] {
        let mut compressed = codec.compress(&embeddings).unwrap();
        let before = compressed.decompress();
        assert_eq!(compressed.normalize_long(1.01), 2, "{codec:?}");
        let after = compressed.decompress();
        assert_eq!(after.values()[2..8], before.values()[2..8]);
        for row in [&after.values()[..2], &after.values()[8..]] {
            assert!((row[0].hypot(row[1]) - 1.0).abs() < 1e-6, "{codec:?}: {row:?}");
        }
    }
    let half = TokenEmbeddings::from_parts(vec![3.0, 4.0, 0.6, 0.8], vec![2], 2).unwrap();
    let mut half = Codec::F16.compress(&half).unwrap();
    assert_eq!(half.normalize_long(1.01), 1);
    assert_eq!(half.document(0), DocumentRows::F16(&[0x38cd, 0x3a66, 0x38cd, 0x3a66]));
    let mut binary = Codec::Binary.compress(&embeddings).unwrap();
    assert_eq!(binary.normalize_long(1.01), 0);
}
