//! The launch table that the reader writes and root reads. What decodes is canonical, and what follows from it holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use privsep::frame::Wire;
use privsep::table::Table;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(table) = Table::read(bytes) {
        assert_eq!(table.encode(), bytes);
        assert!(table.keeps(&table));
        for entry in table.entries.iter().flatten() {
            assert!(!entry.staging || entry.stdin.is_none());
            assert!(entry.stdout_log.is_none_or(|log| table.log(log).is_some()));
        }
        if table.permit(0).is_ok()
            && let Some(broker) = &table.broker
        {
            assert_ne!(broker.uid, 0);
            assert!(
                table
                    .entries
                    .iter()
                    .flatten()
                    .filter_map(|e| e.identity.as_ref())
                    .all(|i| i.uid != broker.uid)
            );
        }
        if table.permit(1000).is_ok() && table.user.is_none() {
            assert!(table.broker.is_none());
        }
    }
});
