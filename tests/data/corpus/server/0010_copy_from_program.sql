COPY jobs (name) FROM PROGRAM 'echo hello';
