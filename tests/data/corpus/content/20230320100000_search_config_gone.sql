-- migrate:up
alter text search configuration site drop mapping for word;
alter text search configuration site rename to site_search;

-- migrate:down
alter text search configuration site_search rename to site;
