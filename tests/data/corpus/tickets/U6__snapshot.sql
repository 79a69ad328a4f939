DROP TABLE sold_2026, event_titles, events_archive;
