select 'nothing can be done';
