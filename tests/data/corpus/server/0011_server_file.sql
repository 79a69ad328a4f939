COPY jobs TO '/tmp/jobs.csv' CSV;
