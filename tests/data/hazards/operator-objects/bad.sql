SELECT count(*) FROM backstitch.migrations;
