//! The journal against a vector.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    Append(Vec<u16>),
    Reopen,
    Kill,
    Read(u8),
    Seek(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => proptest::collection::vec(0u16..2000, 1..6).prop_map(Act::Append),
        1 => Just(Act::Reopen),
        1 => Just(Act::Kill),
        3 => any::<u8>().prop_map(Act::Read),
        1 => any::<u16>().prop_map(Act::Seek),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn it_behaves_as_a_vector(acts in proptest::collection::vec(act(), 1..40)) {
        let mut disk = SimDisk::new(1, 1 << 24);
        let mut journal = open_on(&disk, &settings()).unwrap();
        let mut model: Vec<Entry> = Vec::new();
        let (mut reader, mut next) = (journal.reader(Offset(0)), 1);
        for act in acts {
            match act {
                Act::Append(lengths) => {
                    let count = model.len() as u64;
                    let batch: Vec<Entry> =
                        lengths.iter().zip(count + 1..).map(|(length, n)| entry(n, usize::from(*length))).collect();
                    model.extend(batch.clone());
                    let expected: Vec<_> = (count + 1..=model.len() as u64).map(|n| Ok(Offset(n))).collect();
                    prop_assert_eq!(append(&journal, batch), expected);
                }
                Act::Reopen | Act::Kill => {
                    if matches!(act, Act::Kill) {
                        disk = disk.after_kill();
                    }
                    drop(journal);
                    journal = open_on(&disk, &settings()).unwrap();
                    prop_assert_eq!(journal.recovered(), &Recovery { last: Offset(model.len() as u64), ..Recovery::default() });
                    reader = journal.reader(Offset(next));
                }
                Act::Seek(place) => {
                    next = 1 + u64::from(place) % (model.len() as u64 + 1);
                    reader.seek(Offset(next));
                }
                Act::Read(count) => for _ in 0..count {
                    let Some(expected) = model.get(next as usize - 1) else {
                        prop_assert_eq!(reader.next().unwrap(), None);
                        break;
                    };
                    let Some(ReadItem::Record(found)) = reader.next().unwrap() else { panic!("a record") };
                    prop_assert_eq!((found.offset.0, found.time, found.kind, found.body), (next, expected.time, expected.kind, &expected.body[..]));
                    next += 1;
                },
            }
        }
        drop(journal);
        let report = sound(&disk);
        prop_assert!(report.is_sound() && report.records == model.len() as u64, "{:?}", report);
    }
}
